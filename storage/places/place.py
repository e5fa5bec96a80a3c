"""Places for bytes: a folder of this machine or a prefix of a bucket, chosen by URL."""

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from zarr.abc.store import Store as ZarrStore

from seelike.storage.errors import StorageError
from seelike.storage.places.bucket import SCHEMES, Bucket
from seelike.storage.places.folder import Folder


class Place(Protocol):
    """A folder or a bucket's prefix; keys are names below it, with slashes.

    A write is complete or absent, and survives a power cut once the call has returned. Places
    pickle: a worker reopens them by their URL. Every call raises ``StorageError`` for a reason that
    the user can correct, such as missing rights.
    """

    @property
    def url(self) -> str:
        """Path or URL that opens it again; messages name an entry as ``url/key``."""
        ...

    @property
    def at_once(self) -> int:
        """Number of keys that it writes fastest at a time."""
        ...

    def check(self) -> None:
        """Raise ``StorageError``, within 30 s, where the place cannot be used."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is a file or an object ``key``."""
        ...

    def names(self, key: str) -> list[str]:
        """Names directly below ``key`` (empty for the place itself), in no order."""
        ...

    def size(self, key: str) -> int:
        """Bytes at ``key`` and below."""
        ...

    def read(self, key: str) -> bytes | None:
        """Content of ``key``; None where it does not exist."""
        ...

    def read_into(self, key: str, buffer: memoryview) -> bool:
        """Fill ``buffer`` from the beginning of ``key``; False where ``key`` is shorter."""
        ...

    def prefetch(self, key: str) -> None:
        """Announce that ``key`` will be read soon, so that a disk can begin to read it."""
        ...

    def write(self, key: str, content: bytes | memoryview) -> None:
        """Write ``content`` to ``key``, replacing what it had."""
        ...

    def write_all(self, contents: Iterable[tuple[str, bytes | memoryview]]) -> None:
        """Write several keys in any order, in parallel where that is faster."""
        ...

    def remove(self, key: str) -> None:
        """Remove ``key`` and everything below it, if they exist."""
        ...

    def atomic_group(self, key: str) -> AbstractContextManager[Path]:
        """Context of a draft folder, in which the block makes the Zarr group that becomes ``key``.

        The group exists, whole, after the block, and not at all where the block raises. Hold a
        lock: one process at a time may do this.
        """
        ...

    def zarr_store(self, key: str) -> ZarrStore:
        """Read-only Zarr store of the group at ``key``."""
        ...

    def lock(self, name: str, *, wait: float = -1) -> AbstractContextManager[None]:
        """Hold the lock ``name``; wait for it at most ``wait`` seconds (-1: for ever)."""
        ...

    def free_bytes(self) -> int | None:
        """Bytes that can still be written; None without a limit."""
        ...


def open_place(url: str) -> Place:
    """Make the place of ``url`` without touching it; ``StorageError`` for an unknown scheme."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "file":
        return Folder(Path(url.removeprefix("file://")).expanduser().absolute())
    if scheme in SCHEMES:
        return Bucket(f"{scheme}://{rest.rstrip('/')}")
    known = ", ".join(f"{name}://" for name in ("file", *SCHEMES))
    raise StorageError(f"{url!r} begins with {scheme}://; expected a folder, or one of {known}")


def as_json(value: Any) -> bytes:
    """Encode ``value`` as JSON for a file; NaN raises, since JSON has none."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
