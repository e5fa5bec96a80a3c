"""A folder of this machine as a place for bytes."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from zarr.storage import LocalStore

from seelike.storage.errors import StorageError, being_written


@dataclass(frozen=True)
class Folder:
    """A ``Place`` in the file system, which may not exist yet; keys are paths below it."""

    path: Path

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self.path)

    @property
    def at_once(self) -> int:
        """1, since a disk is no faster with several writes at once."""
        return 1

    def check(self) -> None:
        """Raise ``StorageError`` where the path or one above it is a file."""
        for path in (self.path, *self.path.parents):
            if path.exists() and not path.is_dir():
                raise StorageError(f"folder {self.path}: {path} is a file; name another folder")

    def exists(self, key: str) -> bool:
        """Whether there is a file or a folder ``key``."""
        return (self.path / key).exists()

    def names(self, key: str) -> list[str]:
        """Files and folders directly below ``key``."""
        folder = self.path / key
        return [path.name for path in folder.iterdir()] if folder.is_dir() else []

    def size(self, key: str) -> int:
        """Bytes of the files at ``key`` and below."""
        path = self.path / key
        files = path.rglob("*") if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files if file.is_file())

    def read(self, key: str) -> bytes | None:
        """Content of a file; None where it does not exist."""
        try:
            return (self.path / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_into(self, key: str, buffer: memoryview) -> bool:
        """Fill ``buffer`` from the beginning of a file, without an intermediate copy."""
        try:
            with (self.path / key).open("rb", buffering=0) as file:
                return file.readinto(buffer) == buffer.nbytes
        except FileNotFoundError:
            return False

    def prefetch(self, key: str) -> None:
        """Let the system read a file into its cache in the background, where it supports that."""
        if not hasattr(os, "posix_fadvise"):
            return
        with suppress(FileNotFoundError), (self.path / key).open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)

    def write(self, key: str, content: bytes | memoryview) -> None:
        """Write a whole file or nothing, and sync it to the disk before returning."""
        path = self.path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise OSError(
                error.errno,
                f"{os.strerror(error.errno)} for {path}, existing data is unchanged; free some "
                "space and run the same command again",
            ) from error
        finally:
            partial.unlink(missing_ok=True)
        _sync(path.parent)

    def write_all(self, contents: Iterable[tuple[str, bytes | memoryview]]) -> None:
        """Write one file after the other: a disk is no faster with several at once."""
        for key, content in contents:
            self.write(key, content)

    def remove(self, key: str) -> None:
        """Delete a file, or a folder with its content."""
        path = self.path / key
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
        else:
            return
        _sync(path.parent)

    @contextmanager
    def atomic_group(self, key: str) -> Iterator[Path]:
        """Context of a folder beside ``key``, synced and renamed to ``key`` after the block."""
        place = self.path / key
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        yield draft
        for path in (*draft.rglob("*"), draft):
            _sync(path)
        draft.rename(place)
        _sync(place.parent)

    def zarr_store(self, key: str) -> LocalStore:
        """Read-only Zarr store of the folder ``key``."""
        return LocalStore(self.path / key, read_only=True)

    @contextmanager
    def lock(self, name: str, *, wait: float = -1) -> Iterator[None]:
        """Hold a lock of the operating system: a killed holder's is free at once."""
        folder = self.path / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / f"{name}.lock", timeout=wait):
                yield
        except Timeout as error:
            raise being_written(name, self.url) from error

    def free_bytes(self) -> int:
        """Bytes free on the disk."""
        parent = self.path
        while not parent.exists():
            parent = parent.parent
        return shutil.disk_usage(parent).free


def _sync(path: Path) -> None:
    """Sync a file's content or a folder's entries to the disk, so that they survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
