"""Where bytes are kept: a folder of this machine, or a prefix of a bucket, as a URL says."""

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

    What is written is there whole or not at all, and survives a power cut when the call
    returns. Places pickle: a worker reopens them by their URL. Where a place can't be read or
    written for a reason that is the user's to mend, every call raises ``StorageError``.
    """

    @property
    def url(self) -> str:
        """What opens it again; ``url/key`` is what messages call a thing in it."""
        ...

    @property
    def at_once(self) -> int:
        """How many keys it writes fastest at a time."""
        ...

    def check(self) -> None:
        """Raise ``StorageError`` within 30 s where nothing can be kept, now or ever."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is a file or an object ``key``."""
        ...

    def names(self, key: str) -> list[str]:
        """What stands directly below ``key`` (the place itself: an empty key), in no order."""
        ...

    def size(self, key: str) -> int:
        """Bytes at ``key`` and below."""
        ...

    def read(self, key: str) -> bytes | None:
        """The bytes at ``key``; None where there are none."""
        ...

    def read_into(self, key: str, buffer: memoryview) -> bool:
        """Fill ``buffer`` from the beginning of ``key``; False where there are fewer bytes."""
        ...

    def prefetch(self, key: str) -> None:
        """Say that ``key`` will be read soon, if it is there: a disk begins to read it."""
        ...

    def write(self, key: str, content: bytes | memoryview) -> None:
        """Put ``content`` at ``key``, in the place of what was there."""
        ...

    def write_all(self, contents: Iterable[tuple[str, bytes | memoryview]]) -> None:
        """``write`` each key's content, in any order, at once where that is faster."""
        ...

    def remove(self, key: str) -> None:
        """Take away what is at ``key`` and below, if anything."""
        ...

    def atomic_group(self, key: str) -> AbstractContextManager[Path]:
        """A folder's name, where the block makes a Zarr group that then becomes ``key``.

        It is there, whole, after the block; not at all where the block raises. For one process
        at a time: hold a lock.
        """
        ...

    def zarr_store(self, key: str) -> ZarrStore:
        """The Zarr group at ``key``, to be read."""
        ...

    def lock(self, name: str, *, wait: float = -1) -> AbstractContextManager[None]:
        """Hold the lock ``name``, ``wait`` seconds at most (-1: for ever) after asking."""
        ...

    def free_bytes(self) -> int | None:
        """Bytes that may still be written; None where there is no limit."""
        ...


def open_place(url: str) -> Place:
    """The place at ``url``, nothing being looked at yet; ``StorageError`` for unknown schemes."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "file":
        return Folder(Path(url.removeprefix("file://")).expanduser().absolute())
    if scheme in SCHEMES:
        return Bucket(f"{scheme}://{rest.rstrip('/')}")
    known = ", ".join(f"{name}://" for name in ("file", *SCHEMES))
    raise StorageError(f"{url!r} begins with {scheme}://; expected a folder, or one of {known}")


def as_json(value: Any) -> bytes:
    """``value`` as the JSON that is kept in files; NaN is refused, it is not JSON."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
