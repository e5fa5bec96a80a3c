"""A store: one folder that holds everything seelike keeps, each thing under its digest."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zarr
from filelock import FileLock, Timeout
from zarr.storage import LocalStore

from storage.digest import FORMAT
from storage.errors import StorageError

MARKER = "seelike.json"
KINDS = ("recordings", "signatures", "measures", "comparisons", "images", "training")


@dataclass(frozen=True)
class Store:
    """Where recordings, signatures, comparisons, image lists and training states are kept."""

    root: Path

    def path(self, kind: str, name: str) -> Path:
        """The folder or file of one thing; ``kind`` is one of ``KINDS``."""
        if kind not in KINDS:
            raise KeyError(kind)
        return self.root / kind / name

    def names(self, kind: str) -> list[str]:
        """What there is of one kind, sorted."""
        folder = self.root / kind
        if not folder.is_dir():
            return []
        return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))

    @contextmanager
    def lock(self, name: str, *, wait: float = -1) -> Iterator[None]:
        """Hold the lock ``name`` of this store; one process at a time.

        ``wait`` seconds at most (-1: for ever), then ``StorageError``. A killed holder's lock
        is free at once, since the operating system holds it.
        """
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / f"{name}.lock", timeout=wait):
                yield
        except Timeout as error:
            raise StorageError(
                f"{name[:12]} in {self.root} is being written by another run; wait for it to end"
            ) from error

    def free_bytes(self) -> int:
        """Bytes free on the disk that holds the store."""
        parent = self.root
        while not parent.exists():
            parent = parent.parent
        return shutil.disk_usage(parent).free


def locate(url: str) -> Store:
    """The store at ``url``, a local folder, whether it is there yet or not.

    Raises ``StorageError`` for one that another format version made, or for what is no store.
    """
    if "://" in url and not url.startswith("file://"):
        raise StorageError(f"store {url!r}: this version keeps stores in local folders only")
    root = Path(url.removeprefix("file://")).expanduser().absolute()
    marker = root / MARKER
    if marker.exists():
        _check_format(marker)
    elif root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise StorageError(
            f"store {root} is not empty and not a seelike store (it lacks {MARKER}); "
            "name another folder"
        )
    return Store(root)


def make_store(url: str) -> Store:
    """The store at ``url``, made where there is none; errors as ``locate``."""
    store = locate(url)
    marker = store.root / MARKER
    if not marker.exists():
        write_json(marker, {"format": FORMAT})
    return store


def open_store(url: str) -> Store:
    """The store at ``url``; ``StorageError`` where there is none, others as ``locate``."""
    store = locate(url)
    if not (store.root / MARKER).exists():
        raise StorageError(f"store {store.root} does not exist; `seelike compare STUDY` makes it")
    return store


def _check_format(marker: Path) -> None:
    try:
        found = json.loads(marker.read_text())["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{marker} is damaged; it should hold {{'format': {FORMAT}}}") from error
    if found != FORMAT:
        raise StorageError(
            f"store {marker.parent} has format {found}, this seelike writes format {FORMAT}; "
            "name another store, or use the seelike that made it"
        )


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write ``content`` to ``path`` whole or not at all, and to the disk before returning."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, whole or not at all; NaN is refused, it is not JSON."""
    write_bytes(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def sync(path: Path) -> None:
    """Bring a file's content, or a folder's entries, to the disk: they survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Bring the content and the entry of a file that someone else wrote to the disk."""
    sync(path)
    sync(path.parent)


def publish(draft: Path, place: Path) -> None:
    """Bring the folder ``draft`` to the disk and rename it to ``place``: there whole or not."""
    for path in (*draft.rglob("*"), draft):
        sync(path)
    draft.rename(place)
    sync(place.parent)


def group(path: Path, *, mode: Any = "r") -> zarr.Group:
    """The Zarr group at ``path``, through a store that renames into place: no torn chunk."""
    return zarr.open_group(LocalStore(path, read_only=mode == "r"), mode=mode)
