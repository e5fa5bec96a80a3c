"""Recordings: the activations of one model at its taps on one image set, one array a tap."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import zarr

from storage import batched, ledger
from storage.batched import Batched
from storage.batches import Bounds, block
from storage.digest import checksum, tap_file
from storage.store import Store, write_bytes

KIND = "recordings"


class Recording(Batched):
    """An opened recording: the activations of one model, one array a tap."""

    def write(self, batch: int, activations: Mapping[str, np.ndarray]) -> None:
        """Keep one batch: float32 (images, *feature) for every tap, then its ledger row."""
        start, stop = self.bounds[batch]
        sums, written = [], []
        for tap in self.taps:
            array = batched.member(self.group, tap)
            values = np.ascontiguousarray(activations[tap], array.dtype)
            if values.shape != (stop - start, *array.shape[1:]):
                raise ValueError(f"{tap}: {values.shape} for {stop - start} of {array.shape}")
            files = batched.chunk_files(self.folder, array, start, stop, axis=0)
            for first, file in zip(range(0, stop - start, array.chunks[0]), files, strict=True):
                write_bytes(file, _chunk(values[first : first + array.chunks[0]], array.chunks))
            sums.append(checksum(values))
            written += files
        self.ledger.mark(batch, sums, written=written)

    def read(self, batch: int, tap: str) -> np.ndarray:
        """Activations (images, *feature) of one complete batch, checked against the ledger."""
        start, stop = self.bounds[batch]
        expected = self.ledger.checksums(batch)[self.taps.index(tap)]
        values = np.asarray(batched.member(self.group, tap)[start:stop])
        if checksum(values) != expected:
            raise ledger.damaged(self.folder, tap, batch)
        return values

    def read_images(self, start: int, stop: int, tap: str) -> np.ndarray:
        """Activations (stop - start, *feature) of a range of images, across batches."""
        touched = [
            (first, self.read(batch, tap))
            for batch, (first, last) in enumerate(self.bounds)
            if first < stop and last > start
        ]
        return np.concatenate([values for _, values in touched])[start - touched[0][0] :][
            : stop - start
        ]


def _chunk(rows: np.ndarray, shape: tuple[int, ...]) -> memoryview:
    """The bytes of a chunk as Zarr lays it out without a compressor; the last one is filled up.

    Handed to the file as they are: Zarr's own way copies activations twice.
    """
    if len(rows) == shape[0]:
        return rows.data.cast("B")
    whole = np.full(shape, np.nan, rows.dtype)
    whole[: len(rows)] = rows
    return whole.data.cast("B")


def name(identity: dict[str, Any]) -> str:
    """The digest under which the activations of ``identity`` are kept."""
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
    """The recording that ``identity`` names, made with empty arrays if it is new.

    ``shapes`` are per image, of the taps in firing order; ``attributes`` may say more of it.
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

    folder = batched.make(
        store,
        KIND,
        identity,
        attributes={"taps": list(shapes), "bounds": [list(b) for b in bounds], **attributes},
        batches=len(bounds),
        columns=len(shapes),
        arrays=arrays,
    )
    return open_recording(store, folder.name)


def open_recording(store: Store, name: str) -> Recording:
    """The recording of that digest; ``StorageError`` where there is none."""
    return Recording(**vars(batched.opened(store, KIND, name)))
