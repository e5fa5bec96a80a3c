"""Ledger of a Zarr group: its complete batches, with checksums.

An array ``digest`` (batch, columns + 1) of uint32 stands beside the data: the CRC-32C of each
column for the batch, and a last slot that is 1. A row is one chunk, written after the data of the
batch have reached the disk. So a row exists whole or not at all, and a killed run leaves every
batch either complete or to be computed again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import zarr

from seelike.storage.errors import StorageError
from seelike.storage.places.place import Place

NAME = "digest"


@dataclass(frozen=True)
class Ledger:
    """The ``digest`` array of the group ``key`` of a place."""

    place: Place
    key: str
    array: zarr.Array  # type: ignore[type-arg]

    @property
    def batches(self) -> int:
        """Number of batches of the complete group."""
        return int(self.array.shape[0])

    def missing(self) -> list[int]:
        """Incomplete batches, in order."""
        rows = np.asarray(self.array[:])
        return [int(b) for b in np.flatnonzero(rows[:, -1] != 1)]

    def complete(self, batch: int) -> bool:
        """Whether ``batch`` is complete; reads one row only."""
        return bool(np.asarray(self.array[batch])[-1] == 1)

    def checksums(self, batch: int) -> list[int]:
        """Checksums of a complete batch, one per column."""
        row = np.asarray(self.array[batch])
        if row[-1] != 1:
            raise StorageError(
                f"batch {batch} of {self.place.url}/{self.key} was never completed; "
                "run the study again, it continues there"
            )
        return [int(c) for c in row[:-1]]

    def mark(self, batch: int, checksums: Iterable[int]) -> None:
        """Mark ``batch`` as complete; call it after all of the batch was written."""
        row = np.array([*checksums, 1], self.array.dtype)
        self.place.write(self._row(batch), row.data.cast("B"))

    def forget(self, batch: int) -> None:
        """Remove the mark of ``batch``, which then counts as missing."""
        self.place.remove(self._row(batch))

    def _row(self, batch: int) -> str:
        return f"{self.key}/{NAME}/c/{batch}/0"


def create(group: zarr.Group, *, batches: int, columns: int) -> None:
    """Create an empty ledger in ``group``."""
    group.create_array(
        NAME,
        shape=(batches, columns + 1),
        chunks=(1, columns + 1),
        dtype="uint32",
        fill_value=0,
        compressors=None,
        dimension_names=["batch", "column"],
    )


def opened(group: zarr.Group, *, place: Place, key: str) -> Ledger:
    """Open the ledger of ``group`` at ``key`` of ``place``; ``StorageError`` without one."""
    array = group.get(NAME)
    if not isinstance(array, zarr.Array):
        raise StorageError(
            f"{place.url}/{key} lacks its {NAME} array; remove it with `seelike store rm`"
        )
    return Ledger(place, key, array)
