"""Archives: a ZIP file of named bytes with a manifest of their sizes and SHA-256.

Nothing is compressed, since signatures do not shrink, and nothing is unpacked under its own name:
the reader knows which names to expect.
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
# More than the manifest of 10^5 taps takes.
MANIFEST_BYTES = 2**26
# Errors of zipfile for bytes that are no archive, or one of another kind.
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
    """Write ``members`` and their ``manifest``, whole or not at all.

    The same members give the same bytes, whenever and wherever they are written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                sizes = {}
                for name, content in members:
                    archive.writestr(zipfile.ZipInfo(name), content)
                    sizes[name] = [content.nbytes, hashlib.sha256(content).hexdigest()]
                whole = {**manifest, "members": sizes}
                whole["digest"] = digest(whole)
                archive.writestr(zipfile.ZipInfo(MANIFEST), as_json(whole))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@dataclass(frozen=True)
class Archive:
    """An archive opened for reading, whose members match its ``manifest``."""

    path: Path
    manifest: dict[str, Any]
    file: zipfile.ZipFile

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of every member, by name."""
        return {name: size for name, (size, _) in self.manifest["members"].items()}

    def read(self, name: str) -> bytes:
        """Read one member; ``StorageError`` where its checksum differs from the manifest's."""
        size, expected = self.manifest["members"][name]
        with refusing(self.path):
            content = _content(self.file, name, size)
        if hashlib.sha256(content).hexdigest() != expected:
            raise refused(self.path, f"{name} does not match its checksum")
        return content


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open the archive at ``path``.

    Names, sizes and the manifest's own digest are checked before any member is read.

    Raises:
        StorageError: It is no archive, is truncated or altered, or has further members.
    """
    with path.open("rb") as raw:
        with refusing(path):
            file = zipfile.ZipFile(raw)
            manifest = _manifest(file, path)
            _check_members(file, manifest["members"], path)
        yield Archive(path, manifest, file)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn errors of reading an archive into a ``StorageError`` of one line."""
    try:
        yield
    except (StorageError, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (*_DAMAGE, OSError) as error:
        raise refused(path, " ".join(str(error).split()) or type(error).__name__) from error


def refused(path: Path, why: str) -> StorageError:
    """Error for an archive that is not imported."""
    return StorageError(
        f"{path} is not imported, nothing was changed: {why}; ask for it again, and compare its "
        "SHA-256 with what `seelike export` said"
    )


def sha256(path: Path) -> str:
    """Compute the SHA-256 (64 hex digits) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(file: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    size = file.getinfo(MANIFEST).file_size
    if size > MANIFEST_BYTES:
        raise refused(path, f"its manifest has {size} bytes, expected at most {MANIFEST_BYTES}")
    found = json.loads(_content(file, MANIFEST, size), parse_constant=_no_number)
    members = found["members"]
    if found.pop("digest") != digest(found) or not all(
        isinstance(name, str) and type(size) is int and size >= 0 and isinstance(total, str)
        for name, (size, total) in members.items()
    ):
        raise refused(path, "its manifest does not match its digest")
    manifest: dict[str, Any] = found
    return manifest


def _check_members(file: zipfile.ZipFile, listed: dict[str, Any], path: Path) -> None:
    """Raise where a member is unlisted, missing, repeated, compressed, or of another size."""
    infos = file.infolist()
    names = [info.filename for info in infos]
    if len(set(names)) != len(names) or set(names) != {MANIFEST, *listed}:
        extra = sorted(set(names) - {MANIFEST, *listed} or set(listed) - set(names) or set(names))
        raise refused(path, f"its members do not match its manifest, such as {extra[0]!r}")
    for info in infos:
        plain = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1
        if not plain or stat.S_ISLNK(info.external_attr >> 16):
            raise refused(path, f"{info.filename!r} is not plain bytes")
        if info.filename != MANIFEST and info.file_size != listed[info.filename][0]:
            raise refused(path, f"{info.filename!r} has another size than in its manifest")


def _content(file: zipfile.ZipFile, name: str, size: int) -> bytes:
    """Exactly ``size`` bytes of a member; reads no more than one byte beyond."""
    with file.open(name) as member:
        content = member.read(size)
        if len(content) != size or member.read(1):
            raise zipfile.BadZipFile(f"{name} has another size than its header states")
    return content


def _no_number(text: str) -> float:
    raise ValueError(f"{text} in its manifest is no number")
