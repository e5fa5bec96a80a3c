"""Recordings: activations of one model at its taps on one image set, one array per tap."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import zarr

from seelike.storage.arrays import batched
from seelike.storage.arrays.batched import Batched
from seelike.storage.arrays.batches import Bounds, block
from seelike.storage.digest import checksum, tap_file
from seelike.storage.store import Store

KIND = "recordings"


class Recording(Batched):
    """An opened recording: activations of one model, one array per tap."""

    def write(self, batch: int, activations: Mapping[str, np.ndarray]) -> None:
        """Write one batch: float32 (images, *feature) for every tap, then its ledger row."""
        self.complete(batch, {t: self.write_tap(batch, t, activations[t]) for t in self.taps})

    def write_tap(self, batch: int, tap: str, activations: np.ndarray) -> int:
        """Write float32 (images, *feature) of one tap of a batch to disk; returns its checksum."""
        start, stop = self.bounds[batch]
        array = self.array(tap)
        values = np.ascontiguousarray(activations, array.dtype)
        if values.shape != (stop - start, *array.shape[1:]):
            raise ValueError(f"{tap}: {values.shape} for {stop - start} of {array.shape}")
        keys = self.chunks(array, start, stop, axis=0)
        self.place.write_all(zip(keys, batched.pieces(values, array.chunks[0]), strict=True))
        return checksum(values)

    def complete(self, batch: int, checksums: Mapping[str, int]) -> None:
        """Mark a batch as complete after all of its taps were written."""
        self.ledger.mark(batch, [checksums[tap] for tap in self.taps])

    def read(self, batch: int, tap: str) -> np.ndarray:
        """Read activations (images, *feature) of a complete batch, checked against the ledger."""
        start, stop = self.bounds[batch]
        expected = self.ledger.checksums(batch)[self.taps.index(tap)]
        values = np.asarray(self.array(tap)[start:stop])
        if checksum(values) != expected:
            raise self.damaged(tap, batch)
        return values

    def read_images(self, start: int, stop: int, tap: str) -> np.ndarray:
        """Read activations (stop - start, *feature) of a range of images, across batches."""
        touched = [
            (first, self.read(batch, tap))
            for batch, (first, last) in enumerate(self.bounds)
            if first < stop and last > start
        ]
        return np.concatenate([values for _, values in touched])[start - touched[0][0] :][
            : stop - start
        ]


def name(identity: dict[str, Any]) -> str:
    """Compute the digest of the recording of ``identity``."""
    return batched.name(KIND, identity)


def create(
    store: Store,
    identity: dict[str, Any],
    *,
    shapes: Mapping[str, Sequence[int]],
    bounds: Sequence[Bounds],
    batch: int,
    attributes: dict[str, Any],
) -> Recording:
    """Open the recording of ``identity``, created with empty arrays if it is new.

    Args:
        store: The store.
        identity: Values that determine the activations, JSON-able.
        shapes: Shape per image of every tap, in firing order.
        bounds: (start, stop) of every batch.
        batch: Images per batch.
        attributes: Further attributes of the group.
    """
    largest = max(4 * int(np.prod(shape)) for shape in shapes.values())
    rows = block(batch, bytes_per_image=largest)
    count = bounds[-1][1]

    def arrays(made: zarr.Group) -> None:
        for tap, shape in shapes.items():
            made.create_array(
                tap_file(tap),
                shape=(count, *shape),
                chunks=(min(rows, count), *shape),
                dtype="float32",
                fill_value=float("nan"),
                # Dense activations shrink by a tenth at six times the CPU.
                compressors=None,
                dimension_names=["image", *(f"feature_{i}" for i in range(len(shape)))],
            )

    called = batched.make(
        store,
        KIND,
        identity,
        attributes={"taps": list(shapes), "bounds": [list(b) for b in bounds], **attributes},
        batches=len(bounds),
        columns=len(shapes),
        arrays=arrays,
    )
    return open_recording(store, called)


def open_recording(store: Store, name: str) -> Recording:
    """Open a recording by digest; ``StorageError`` where it does not exist."""
    return Recording(**vars(batched.opened(store, KIND, name)))
