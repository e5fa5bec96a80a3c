"""A store: one place for all results, each entry under its digest."""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass

import zarr

from seelike.storage.digest import FORMAT
from seelike.storage.errors import StorageError
from seelike.storage.places.place import Place, as_json, open_place

MARKER = "seelike.json"
KINDS = (
    "recordings",
    "signatures",
    "sketches",
    "indexes",
    "measures",
    "comparisons",
    "pairs",
    "anatomy",
    "probes",
    "maps",
    "images",
    "training",
)


@dataclass(frozen=True)
class Store:
    """Recordings, signatures, comparisons, image lists and training states in one place."""

    place: Place

    @property
    def url(self) -> str:
        """Path of the folder, or URL in the bucket, that opens the store again."""
        return self.place.url

    def key(self, kind: str, name: str) -> str:
        """Key of an entry in the place; ``kind`` is one of ``KINDS``."""
        if kind not in KINDS:
            raise KeyError(kind)
        return f"{kind}/{name}"

    def where(self, kind: str, name: str) -> str:
        """Path or URL of an entry, for messages and for other programs."""
        return f"{self.url}/{self.key(kind, name)}"

    def holds(self, kind: str, name: str) -> bool:
        """Whether the entry exists; it exists whole or not at all."""
        return self.place.exists(f"{self.key(kind, name)}/zarr.json")

    def group(self, kind: str, name: str) -> zarr.Group:
        """Open the Zarr group of an entry for reading."""
        return zarr.open_group(self.place.zarr_store(self.key(kind, name)), mode="r")

    def names(self, kind: str) -> list[str]:
        """Names of the entries of one kind, sorted, without drafts."""
        found = (name for name in self.place.names(kind) if not name.startswith("."))
        return sorted(
            name for name in found if self.holds(kind, name) or self.place.exists(f"{kind}/{name}")
        )

    def lock(self, name: str, *, wait: float = -1) -> AbstractContextManager[None]:
        """Hold the lock ``name`` of this store, which one process at a time can have.

        A killed holder's lock is free at once in a folder, and after a minute in a bucket.

        Args:
            name: Name of the lock.
            wait: Most seconds to wait for it (-1: for ever).

        Raises:
            StorageError: Another holder kept it for longer.
        """
        return self.place.lock(name, wait=wait)

    def free_bytes(self) -> int | None:
        """Bytes free where the store is; None where there is no limit."""
        return self.place.free_bytes()


def locate(url: str) -> Store:
    """Describe the store at ``url``, whether it exists yet or not.

    Args:
        url: A folder, or an address in a bucket.

    Raises:
        StorageError: It has another format, is no store, or cannot be reached (within 30 s).
    """
    return _found(url)[0]


def make_store(url: str) -> Store:
    """Open the store at ``url``, or make an empty one; errors as ``locate``."""
    store, made = _found(url)
    if not made:
        store.place.write(MARKER, as_json({"format": FORMAT}))
    return store


def open_store(url: str) -> Store:
    """Open the store at ``url``.

    Args:
        url: A folder, or an address in a bucket (``s3://``, ``gs://``, ``az://``).

    Returns:
        The store: ``.names(kind)`` lists its recordings, signatures, comparisons and the rest.

    Raises:
        StorageError: There is no store, it is of another format, or its place cannot be reached.

    Examples:
        >>> import seelike
        >>> seelike.open_store("store").names("comparisons")  # doctest: +SKIP
    """
    store, made = _found(url)
    if not made:
        raise StorageError(f"store {store.url} does not exist; `seelike compare STUDY` makes it")
    return store


def _found(url: str) -> tuple[Store, bool]:
    """Store at ``url``, and whether it exists."""
    place = open_place(url)
    place.check()
    marker = place.read(MARKER)
    if marker is not None:
        _check_format(marker, url=place.url)
    elif place.names(""):
        raise StorageError(
            f"store {place.url} is not empty and not a seelike store (it lacks {MARKER}); "
            "name another folder"
        )
    return Store(place), marker is not None


def _check_format(marker: bytes, *, url: str) -> None:
    try:
        found = json.loads(marker)["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{url}/{MARKER} is damaged; it should hold {{'format': {FORMAT}}}"
        ) from error
    if found != FORMAT:
        raise StorageError(
            f"store {url} has format {found}, this seelike writes format {FORMAT}; "
            "name another store, or use the seelike that made it"
        )
