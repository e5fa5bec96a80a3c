"""Which batches of a Zarr group are complete, and the checksums that prove it.

An array ``digest`` (batch, columns + 1) of uint32 stands beside the data: CRC-32C of what each
column wrote for the batch, and a last slot that is 1. Its row is written after the data of the
batch has reached the disk, in a chunk of its own, so a row is there whole or not at all, and
a killed run leaves a batch either complete or to be done again.
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
        """How many batches the group will have when it is complete."""
        return int(self.array.shape[0])

    def missing(self) -> list[int]:
        """The batches that are not complete, in order."""
        rows = np.asarray(self.array[:])
        return [int(b) for b in np.flatnonzero(rows[:, -1] != 1)]

    def complete(self, batch: int) -> bool:
        """Whether ``batch`` is complete: one row is read, not all."""
        return bool(np.asarray(self.array[batch])[-1] == 1)

    def checksums(self, batch: int) -> list[int]:
        """The columns' checksums of a complete batch."""
        row = np.asarray(self.array[batch])
        if row[-1] != 1:
            raise StorageError(
                f"batch {batch} of {self.place.url}/{self.key} was never completed; "
                "run the study again, it continues there"
            )
        return [int(c) for c in row[:-1]]

    def mark(self, batch: int, checksums: Iterable[int]) -> None:
        """Enter the batch as complete, after all of it was written."""
        row = np.array([*checksums, 1], self.array.dtype)
        self.place.write(self._row(batch), row.data.cast("B"))

    def forget(self, batch: int) -> None:
        """Take the mark of ``batch`` back: it counts as missing from now on."""
        self.place.remove(self._row(batch))

    def _row(self, batch: int) -> str:
        return f"{self.key}/{NAME}/c/{batch}/0"


def create(group: zarr.Group, *, batches: int, columns: int) -> None:
    """Make an empty ledger in ``group``."""
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
    """The ledger of ``group``, which is ``key`` of ``place``; ``StorageError`` without one."""
    array = group.get(NAME)
    if not isinstance(array, zarr.Array):
        raise StorageError(
            f"{place.url}/{key} lacks its {NAME} array; remove it with `seelike store rm`"
        )
    return Ledger(place, key, array)
