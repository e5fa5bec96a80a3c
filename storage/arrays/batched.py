"""What recordings and signatures share: made whole, grown batch by batch, checked when read.

Arrays are written chunk by chunk as the plain bytes that Zarr would make of them, and read as
Zarr arrays or as the same bytes: Zarr's own way copies activations twice.
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
    """The digest under which a recording or signatures of ``identity`` are kept."""
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
    """The digest of the group that ``identity`` names, made with its metadata if it is new.

    It is prepared beside its place, so that it is there whole or not at all; two processes that
    make one thing take turns.
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
    """An opened recording or signatures of one model. ``taps`` are in the order they fire."""

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
        """What messages call it, and what opens it from outside: a path, or a URL."""
        return f"{self.place.url}/{self.key}"

    def missing(self) -> list[int]:
        """The batches that are not complete, in order."""
        return self.ledger.missing()

    def array(self, name: str) -> Array:
        """One of its arrays, for reading; ``StorageError`` where there is none of that name."""
        if name not in self._arrays:
            array = self.group.get(name)
            if not isinstance(array, zarr.Array):
                known = [k for k in self.group.array_keys() if k != ledger.NAME]
                raise StorageError(f"array {name!r} is not in {self.where}; it has {known}")
            self._arrays[name] = array
        return self._arrays[name]

    def chunks(self, array: Array, start: int, stop: int, *, axis: int) -> list[str]:
        """The keys of the chunks of ``array`` that hold ``start:stop`` along ``axis``."""
        grid = [range(-(-n // c)) for n, c in zip(array.shape, array.chunks, strict=True)]
        size = array.chunks[axis]
        grid[axis] = range(start // size, -(-stop // size))
        places = np.stack(np.meshgrid(*grid, indexing="ij"), -1).reshape(-1, len(grid))
        root = f"{self.key}/{array.basename}/c"
        return ["/".join([root, *map(str, place)]) for place in places]

    def damaged(self, array: str, batch: int) -> StorageError:
        """The error for data that is not what the ledger says."""
        return StorageError(
            f"array {array!r} of {self.where} is damaged in batch {batch} (its checksum does not "
            f"match); mend it with `seelike store verify --mend {self.place.url}`, "
            "then run the study again"
        )


def lengths(kept: Batched) -> np.ndarray:
    """Every tap's ``norm`` in every batch, (taps, batches) float64, checked batch by batch.

    Of what keeps norms, whose checksum is the second of a batch.
    """
    norms = np.asarray(kept.array("norm")[:])
    for batch in range(len(kept.bounds)):
        if checksum(norms[:, batch]) != kept.ledger.checksums(batch)[1]:
            raise kept.damaged("norm", batch)
    return norms


def pieces(values: np.ndarray, rows: int) -> Iterator[memoryview]:
    """``values`` as the bytes of chunks of ``rows`` along the first axis, the last filled up.

    Handed over as they are where they are contiguous.
    """
    for first in range(0, len(values), rows):
        piece = values[first : first + rows]
        if len(piece) < rows:
            whole = np.full((rows, *values.shape[1:]), np.nan, values.dtype)
            whole[: len(piece)] = piece
            piece = whole
        yield piece.data.cast("B")


def opened(store: Store, kind: str, called: str) -> Batched:
    """The thing of that kind and digest; ``StorageError`` where there is none."""
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
