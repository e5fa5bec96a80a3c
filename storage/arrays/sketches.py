"""Sketches: random projections of the signatures of one model to a few thousand numbers per tap.

``part`` (tap, batch, number) float32 grows batch by batch beside ``norm`` (tap, batch) float64, the
lengths of the signatures, so that a killed run continues at the next batch. When all parts exist,
they are added up into ``sketch`` (tap, number) float32 and removed: one sketch per tap and one
length per batch and tap stay. The ledger has one row more than there are batches: the last is that
of ``sketch`` and ``norm``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import zarr

from seelike.storage.arrays import batched
from seelike.storage.arrays.batched import Batched
from seelike.storage.arrays.batches import Bounds
from seelike.storage.digest import checksum
from seelike.storage.store import Store

KIND = "sketches"
CHUNK_BYTES = 16 * 2**20


class Sketches(Batched):
    """The opened sketches of one model."""

    @property
    def complete(self) -> bool:
        """Whether the parts have been added up."""
        return self.ledger.complete(len(self.bounds))

    def missing(self) -> list[int]:
        """Batches without parts, in order; none once the parts have been added up."""
        left = self.ledger.missing()
        return (
            [batch for batch in left if batch < len(self.bounds)]
            if len(self.bounds) in left
            else []
        )

    def write(self, batch: int, parts: np.ndarray, lengths: np.ndarray) -> None:
        """Write one batch: parts (taps, numbers) float32 and the signatures' lengths (taps,)."""
        self._put("part", parts, batch)
        self._put("norm", lengths, batch)
        self.ledger.mark(batch, [checksum(parts), checksum(lengths)])

    def part(self, batch: int) -> np.ndarray:
        """Read the parts (taps, numbers) float32 of a batch, before they are added up."""
        parts = np.asarray(self.array("part")[:, batch])
        if checksum(parts) != self.ledger.checksums(batch)[0]:
            raise self.damaged("part", batch)
        return parts

    def lengths(self) -> np.ndarray:
        """Read every tap's length in every batch, (taps, batches) float64, checked."""
        if not self.complete:
            return batched.lengths(self)
        norms = np.asarray(self.array("norm")[:])
        if checksum(norms) != self.ledger.checksums(len(self.bounds))[1]:
            raise self.damaged("norm", len(self.bounds))
        return norms

    def finish(self, sketch: np.ndarray) -> None:
        """Write ``sketch`` (taps, numbers) float32, the sum of all parts, and remove the parts."""
        self._put("sketch", sketch)
        self.ledger.mark(len(self.bounds), [checksum(sketch), checksum(self.lengths())])
        self.clear()

    def take(self, sketch: np.ndarray, norms: np.ndarray) -> None:
        """Write a complete sketch (taps, numbers) with its lengths (taps, batches)."""
        for batch, lengths in enumerate(norms.T):
            self._put("norm", np.ascontiguousarray(lengths), batch)
        self._put("sketch", sketch)
        self.ledger.mark(len(self.bounds), [checksum(sketch), checksum(norms)])

    def clear(self) -> None:
        """Remove the parts and their marks, which nothing reads after the sum."""
        self.place.remove(f"{self.key}/part/c")
        for batch in range(len(self.bounds)):
            self.ledger.forget(batch)

    def read(self) -> np.ndarray:
        """Read the sketches (taps, numbers) float32; ``StorageError`` where damaged or missing."""
        expected = self.ledger.checksums(len(self.bounds))[0]
        sketch = np.asarray(self.array("sketch")[:])
        if checksum(sketch) != expected:
            raise self.damaged("sketch", len(self.bounds))
        return sketch

    def forget(self) -> None:
        """Remove all marks, so that every batch counts as missing."""
        for row in reversed(range(self.ledger.batches)):
            self.ledger.forget(row)

    def _put(self, name: str, values: np.ndarray, batch: int | None = None) -> None:
        array = self.array(name)
        start, stop = (0, len(self.taps)) if batch is None else (batch, batch + 1)
        keys = self.chunks(array, start, stop, axis=0 if batch is None else 1)
        self.place.write_all(zip(keys, batched.pieces(values, array.chunks[0]), strict=True))


def name(identity: dict[str, Any]) -> str:
    """Compute the digest of the sketches of ``identity``."""
    return batched.name(KIND, identity)


def create(
    store: Store,
    identity: dict[str, Any],
    *,
    taps: Sequence[str],
    bounds: Sequence[Bounds],
    dimension: int,
    attributes: Mapping[str, Any],
) -> Sketches:
    """Open the sketches of ``identity``, created with empty arrays if they are new.

    Args:
        store: The store.
        identity: Values that determine the sketches, JSON-able.
        taps: Taps in firing order.
        bounds: (start, stop) of every batch.
        dimension: Numbers per tap.
        attributes: Further attributes of the group.
    """
    together = max(1, min(len(taps), CHUNK_BYTES // (4 * dimension)))
    # Names of the axes, sizes and chunks, type.
    layout: dict[str, tuple[list[str], tuple[int, ...], tuple[int, ...], str]] = {
        "part": (
            ["tap", "batch", "number"],
            (len(taps), len(bounds), dimension),
            (together, 1, dimension),
            "float32",
        ),
        "norm": (["tap", "batch"], (len(taps), len(bounds)), (len(taps), 1), "float64"),
        "sketch": (["tap", "number"], (len(taps), dimension), (together, dimension), "float32"),
    }

    def arrays(made: zarr.Group) -> None:
        for called, (axes, shape, chunks, dtype) in layout.items():
            made.create_array(
                called,
                shape=shape,
                chunks=chunks,
                dtype=dtype,
                fill_value=float("nan"),
                compressors=None,
                dimension_names=axes,
            )

    called = batched.make(
        store,
        KIND,
        identity,
        attributes={"taps": list(taps), "bounds": [list(b) for b in bounds], **attributes},
        batches=len(bounds) + 1,
        columns=2,
        arrays=arrays,
    )
    return open_sketches(store, called)


def open_sketches(store: Store, name: str) -> Sketches:
    """Open sketches by digest; ``StorageError`` where they do not exist."""
    return Sketches(**vars(batched.opened(store, KIND, name)))
