"""Archives: a ZIP file of named bytes, and a manifest that tells the size and SHA-256 of each.

Nothing is compressed, since signatures do not, and nothing is unpacked by its name: what reads an
archive knows which names there have to be.
"""

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seelike.storage.digest import digest
from seelike.storage.errors import StorageError
from seelike.storage.places.place import as_json

MANIFEST = "manifest.json"
# What a manifest of 10^5 taps takes, and more.
MANIFEST_BYTES = 2**26
# What zipfile says of bytes that are no archive, or one of another kind.
_DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    ArithmeticError,
    EOFError,
    LookupError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
)


def write(path: Path, manifest: dict[str, Any], members: Iterable[tuple[str, memoryview]]) -> None:
    """Write ``members`` and what ``manifest`` says of them, whole or not at all.

    The same members give the same bytes, whenever and wherever they are written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                told = {}
                for name, content in members:
                    archive.writestr(zipfile.ZipInfo(name), content)
                    told[name] = [content.nbytes, hashlib.sha256(content).hexdigest()]
                whole = {**manifest, "members": told}
                whole["digest"] = digest(whole)
                archive.writestr(zipfile.ZipInfo(MANIFEST), as_json(whole))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@dataclass(frozen=True)
class Archive:
    """An archive opened for reading, whose members are those that its ``manifest`` tells."""

    path: Path
    manifest: dict[str, Any]
    file: zipfile.ZipFile

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of every member, by name."""
        return {name: size for name, (size, _) in self.manifest["members"].items()}

    def read(self, name: str) -> bytes:
        """The bytes of one member; ``StorageError`` where they are not what the manifest says."""
        size, expected = self.manifest["members"][name]
        with refusing(self.path):
            content = _content(self.file, name, size)
        if hashlib.sha256(content).hexdigest() != expected:
            raise refused(self.path, f"{name} is not what its checksum says")
        return content


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """The archive at ``path``; ``StorageError`` for what is none, truncated, altered, or more.

    That is found before any member is given out: names, sizes and the manifest's own digest.
    """
    with path.open("rb") as raw:
        with refusing(path):
            file = zipfile.ZipFile(raw)
            manifest = _manifest(file, path)
            _check_members(file, manifest["members"], path)
        yield Archive(path, manifest, file)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Say of whatever goes wrong while an archive is read that it is damaged, in one line."""
    try:
        yield
    except (StorageError, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (*_DAMAGE, OSError) as error:
        raise refused(path, " ".join(str(error).split()) or type(error).__name__) from error


def refused(path: Path, why: str) -> StorageError:
    """The error for an archive that is not taken."""
    return StorageError(
        f"{path} is not imported, nothing was changed: {why}; ask for it again, and compare its "
        "SHA-256 with what `seelike export` said"
    )


def sha256(path: Path) -> str:
    """SHA-256 (64 hex digits) of a whole file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(file: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    size = file.getinfo(MANIFEST).file_size
    if size > MANIFEST_BYTES:
        raise refused(path, f"its manifest has {size} bytes, expected at most {MANIFEST_BYTES}")
    found = json.loads(_content(file, MANIFEST, size), parse_constant=_no_number)
    told = found["members"]
    if found.pop("digest") != digest(found) or not all(
        isinstance(name, str) and type(size) is int and size >= 0 and isinstance(total, str)
        for name, (size, total) in told.items()
    ):
        raise refused(path, "its manifest is not what its digest says")
    manifest: dict[str, Any] = found
    return manifest


def _check_members(file: zipfile.ZipFile, told: dict[str, Any], path: Path) -> None:
    """Every member is told of, is there once, is plain bytes, and as many as were told."""
    infos = file.infolist()
    names = [info.filename for info in infos]
    if len(set(names)) != len(names) or set(names) != {MANIFEST, *told}:
        extra = sorted(set(names) - {MANIFEST, *told} or set(told) - set(names) or set(names))
        raise refused(path, f"its members are not those of its manifest, such as {extra[0]!r}")
    for info in infos:
        plain = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1
        if not plain or stat.S_ISLNK(info.external_attr >> 16):
            raise refused(path, f"{info.filename!r} is not plain bytes")
        if info.filename != MANIFEST and info.file_size != told[info.filename][0]:
            raise refused(path, f"{info.filename!r} has another size than its manifest says")


def _content(file: zipfile.ZipFile, name: str, size: int) -> bytes:
    """Exactly ``size`` bytes of a member: no more are read than were promised."""
    with file.open(name) as member:
        content = member.read(size)
        if len(content) != size or member.read(1):
            raise zipfile.BadZipFile(f"{name} has another size than it says")
    return content


def _no_number(text: str) -> float:
    raise ValueError(f"{text} in its manifest is no number")
