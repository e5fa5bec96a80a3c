"""Which batches of a Zarr group are complete, and the checksums that prove it.

An array ``digest`` (batch, columns + 1) of uint32 stands beside the data: CRC-32C of what each
column wrote for the batch, and a last slot that is 1. Its row is written after the data of the
batch has reached the disk, in a chunk of its own, so a row is there whole or not at all, and
a killed run leaves a batch either complete or to be done again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

from storage.errors import StorageError
from storage.store import sync, sync_file

NAME = "digest"


@dataclass(frozen=True)
class Ledger:
    """The ``digest`` array of one group on disk."""

    folder: Path
    array: zarr.Array  # type: ignore[type-arg]

    @property
    def batches(self) -> int:
        """How many batches the group will have when it is complete."""
        return int(self.array.shape[0])

    def missing(self) -> list[int]:
        """The batches that are not complete, in order."""
        rows = np.asarray(self.array[:])
        return [int(b) for b in np.flatnonzero(rows[:, -1] != 1)]

    def checksums(self, batch: int) -> list[int]:
        """The columns' checksums of a complete batch."""
        row = np.asarray(self.array[batch])
        if row[-1] != 1:
            raise StorageError(
                f"batch {batch} of {self.folder} was never completed; "
                "run the study again, it continues there"
            )
        return [int(c) for c in row[:-1]]

    def mark(self, batch: int, checksums: Iterable[int], *, written: Iterable[Path]) -> None:
        """Bring the files ``written`` to the disk, then enter the batch as complete."""
        for path in written:
            sync_file(path)
        self.array[batch] = np.array([*checksums, 1], np.uint32)
        sync_file(self.folder / NAME / "c" / str(batch) / "0")

    def forget(self, batch: int) -> None:
        """Take the mark of ``batch`` back: it counts as missing from now on."""
        self.array[batch] = 0
        sync(self.folder / NAME / "c")


def create(group: zarr.Group, *, folder: Path, batches: int, columns: int) -> Ledger:
    """An empty ledger in ``group``, whose own folder is ``folder``."""
    array = group.create_array(
        NAME,
        shape=(batches, columns + 1),
        chunks=(1, columns + 1),
        dtype="uint32",
        fill_value=0,
        compressors=None,
        dimension_names=["batch", "column"],
    )
    return Ledger(folder, array)


def opened(group: zarr.Group, *, folder: Path) -> Ledger:
    """The ledger of ``group``; ``StorageError`` where it has none."""
    array = group.get(NAME)
    if not isinstance(array, zarr.Array):
        raise StorageError(f"{folder} lacks its {NAME} array; remove it with `seelike store rm`")
    return Ledger(folder, array)


def damaged(folder: Path, array: str, batch: int) -> StorageError:
    """The error for data that is not what the ledger says."""
    return StorageError(
        f"array {array!r} of {folder} is damaged in batch {batch} (its checksum does not match); "
        f"mend it with `seelike store verify --mend {folder.parent.parent}`, "
        "then run the study again"
    )
