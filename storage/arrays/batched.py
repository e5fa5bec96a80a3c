"""Base of recordings, signatures and sketches: Zarr groups written and checked batch by batch.

Arrays are written chunk by chunk as the bytes that Zarr would write, and read as Zarr arrays or as
the same bytes: Zarr's own writing copies activations twice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zarr

from seelike.storage.arrays import ledger
from seelike.storage.arrays.batches import Bounds
from seelike.storage.arrays.ledger import Ledger
from seelike.storage.digest import checksum, digest
from seelike.storage.errors import StorageError
from seelike.storage.places.place import Place
from seelike.storage.store import Store

Array = zarr.Array[Any]


def name(kind: str, identity: dict[str, Any]) -> str:
    """Compute the digest that names the entry of ``identity``."""
    return digest({"kind": kind, **identity})


def make(
    store: Store,
    kind: str,
    identity: dict[str, Any],
    *,
    attributes: dict[str, Any],
    batches: int,
    columns: int,
    arrays: Callable[[zarr.Group], None],
) -> str:
    """Create the group of ``identity`` with its metadata unless it exists.

    It is prepared beside its place, so that it exists whole or not at all; two processes that make
    one entry take turns.

    Args:
        store: The store.
        kind: Kind of the entry.
        identity: Values that determine the content, JSON-able.
        attributes: Further attributes of the group.
        batches: Number of batches of its ledger.
        columns: Checksums per batch.
        arrays: Creates the empty arrays in the group.

    Returns:
        The digest of the entry.
    """
    called = name(kind, identity)
    with store.lock(called):
        if not store.holds(kind, called):
            with store.place.atomic_group(store.key(kind, called)) as draft:
                made = zarr.open_group(draft, mode="w")
                made.attrs.update({"identity": identity, **attributes})
                ledger.create(made, batches=batches, columns=columns)
                arrays(made)
    return called


@dataclass(frozen=True)
class Batched:
    """An opened entry of one model, written batch by batch; ``taps`` are in firing order."""

    name: str
    place: Place
    key: str
    group: zarr.Group
    ledger: Ledger
    taps: tuple[str, ...]
    bounds: tuple[Bounds, ...]
    # Opened once each: their metadata never changes.
    _arrays: dict[str, Array] = field(default_factory=dict, repr=False, compare=False)

    @property
    def where(self) -> str:
        """Path or URL of the entry, for messages and for other programs."""
        return f"{self.place.url}/{self.key}"

    def missing(self) -> list[int]:
        """Incomplete batches, in order."""
        return self.ledger.missing()

    def array(self, name: str) -> Array:
        """Open the array ``name`` for reading; ``StorageError`` where it does not exist."""
        if name not in self._arrays:
            array = self.group.get(name)
            if not isinstance(array, zarr.Array):
                known = [k for k in self.group.array_keys() if k != ledger.NAME]
                raise StorageError(f"array {name!r} is not in {self.where}; it has {known}")
            self._arrays[name] = array
        return self._arrays[name]

    def chunks(self, array: Array, start: int, stop: int, *, axis: int) -> list[str]:
        """Keys of the chunks of ``array`` that hold ``start:stop`` along ``axis``."""
        grid = [range(-(-n // c)) for n, c in zip(array.shape, array.chunks, strict=True)]
        size = array.chunks[axis]
        grid[axis] = range(start // size, -(-stop // size))
        places = np.stack(np.meshgrid(*grid, indexing="ij"), -1).reshape(-1, len(grid))
        root = f"{self.key}/{array.basename}/c"
        return ["/".join([root, *map(str, place)]) for place in places]

    def damaged(self, array: str, batch: int) -> StorageError:
        """Error for data that do not match the ledger's checksum."""
        return StorageError(
            f"array {array!r} of {self.where} is damaged in batch {batch} (its checksum does not "
            f"match); mend it with `seelike store verify --mend {self.place.url}`, "
            "then run the study again"
        )


def lengths(kept: Batched) -> np.ndarray:
    """Read ``norm`` (taps, batches) float64 of signatures or sketches, checked batch by batch."""
    norms = np.asarray(kept.array("norm")[:])
    for batch in range(len(kept.bounds)):
        if checksum(norms[:, batch]) != kept.ledger.checksums(batch)[1]:
            raise kept.damaged("norm", batch)
    return norms


def pieces(values: np.ndarray, rows: int) -> Iterator[memoryview]:
    """Cut ``values`` into the bytes of chunks of ``rows`` along the first axis.

    Contiguous values are not copied; the last chunk is filled up with NaN.
    """
    for first in range(0, len(values), rows):
        piece = values[first : first + rows]
        if len(piece) < rows:
            whole = np.full((rows, *values.shape[1:]), np.nan, values.dtype)
            whole[: len(piece)] = piece
            piece = whole
        yield piece.data.cast("B")


def opened(store: Store, kind: str, called: str) -> Batched:
    """Open an entry by kind and digest; ``StorageError`` where it does not exist."""
    if not store.holds(kind, called):
        raise StorageError(
            f"{kind} {called[:12]} is not in {store.url}; run the study that made it again"
        )
    found, key = store.group(kind, called), store.key(kind, called)
    taps: Any = found.attrs["taps"]
    bounds: Any = found.attrs["bounds"]
    return Batched(
        name=called,
        place=store.place,
        key=key,
        group=found,
        ledger=ledger.opened(found, place=store.place, key=key),
        taps=tuple(taps),
        bounds=tuple((int(start), int(stop)) for start, stop in bounds),
    )
