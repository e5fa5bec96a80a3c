"""Signatures: packed U-centred Gram matrices of every tap of one model, for CKA.

``direction`` (tap, batch, pair) float32 holds unit vectors, ``norm`` (tap, batch) float64 their
lengths, so that activations of any scale keep their precision. Shorter batches are padded with
zeros along ``pair``, which changes no inner product.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import zarr

from seelike.storage.arrays import batched
from seelike.storage.arrays.batched import Batched
from seelike.storage.arrays.batches import Bounds
from seelike.storage.digest import checksum
from seelike.storage.store import Store

KIND = "signatures"
CHUNK_BYTES = 16 * 2**20


class Signatures(Batched):
    """The opened signatures of one model."""

    def write(self, batch: int, signed: Mapping[str, tuple[np.ndarray, float]]) -> None:
        """Write one batch: for each tap a unit vector (pairs,) float32 and its length."""
        direction, norm = self.array("direction"), self.array("norm")
        slab = np.zeros((len(self.taps), direction.shape[2]), np.float32)
        lengths = np.zeros(len(self.taps))
        for row, tap in enumerate(self.taps):
            vector, lengths[row] = signed[tap]
            slab[row, : len(vector)] = vector
        for array, values in ((direction, slab), (norm, lengths)):
            keys = self.chunks(array, batch, batch + 1, axis=1)
            self.place.write_all(zip(keys, batched.pieces(values, array.chunks[0]), strict=True))
        self.ledger.mark(batch, [checksum(slab), checksum(lengths)])

    def read(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Read directions (taps, pairs) float32 and norms (taps,) float64 of a complete batch."""
        directions = np.empty((len(self.taps), self.pairs), np.float32)
        return directions, self.read_into(directions, batch)

    def read_into(self, directions: np.ndarray, batch: int) -> np.ndarray:
        """Fill ``directions`` (taps, pairs) float32 with a complete batch.

        Chunks are plain bytes and are read straight into the buffer, which takes half the time of
        copies of 16 MB chunks.

        Returns:
            Norms (taps,) float64.
        """
        expected = self.ledger.checksums(batch)
        array = self.array("direction")
        rows = array.chunks[0]
        keys = self.chunks(array, batch, batch + 1, axis=1)
        for first, key in zip(range(0, len(self.taps), rows), keys, strict=True):
            self._fill(directions[first : first + rows], key)
        norms = np.asarray(self.array("norm")[:, batch])
        for name, values, total in zip(
            ("direction", "norm"), (directions, norms), expected, strict=True
        ):
            if checksum(values) != total:
                raise self.damaged(name, batch)
        return norms

    def prefetch(self, batch: int) -> None:
        """Announce that ``batch`` will be read soon, if it exists."""
        if batch < len(self.bounds):
            for key in self.chunks(self.array("direction"), batch, batch + 1, axis=1):
                self.place.prefetch(key)

    @property
    def pairs(self) -> int:
        """Length of a tap's vector."""
        return int(self.array("direction").shape[2])

    def lengths(self) -> np.ndarray:
        """Read every tap's length in every batch, (taps, batches) float64, checked."""
        return batched.lengths(self)

    def _fill(self, rows: np.ndarray, key: str) -> None:
        """Read the chunk ``key`` into ``rows``; NaN for a missing or short chunk."""
        if not self.place.read_into(key, rows.data.cast("B")):
            rows[:] = np.nan


def name(identity: dict[str, Any]) -> str:
    """Compute the digest of the signatures of ``identity``."""
    return batched.name(KIND, identity)


def create(
    store: Store,
    identity: dict[str, Any],
    *,
    taps: Sequence[str],
    bounds: Sequence[Bounds],
    attributes: dict[str, Any],
    length: Callable[[int], int] = lambda images: images * (images - 1) // 2,
) -> Signatures:
    """Open the signatures of ``identity``, created with empty arrays if they are new.

    Args:
        store: The store.
        identity: Values that determine the signatures, JSON-able.
        taps: Taps in firing order.
        bounds: (start, stop) of every batch.
        attributes: Further attributes of the group.
        length: Length of a vector by images per batch; one number per pair of images if left out.
    """
    pairs = length(max(stop - start for start, stop in bounds))
    # A batch of many taps is read at once: 4x faster than with one chunk per tap.
    together = max(1, min(len(taps), CHUNK_BYTES // (4 * pairs)))

    def arrays(made: zarr.Group) -> None:
        made.create_array(
            "direction",
            shape=(len(taps), len(bounds), pairs),
            chunks=(together, 1, pairs),
            dtype="float32",
            fill_value=float("nan"),
            compressors=None,
            dimension_names=["tap", "batch", "pair"],
        )
        made.create_array(
            "norm",
            shape=(len(taps), len(bounds)),
            chunks=(len(taps), 1),
            dtype="float64",
            fill_value=float("nan"),
            compressors=None,
            dimension_names=["tap", "batch"],
        )

    called = batched.make(
        store,
        KIND,
        identity,
        attributes={"taps": list(taps), "bounds": [list(b) for b in bounds], **attributes},
        batches=len(bounds),
        columns=2,
        arrays=arrays,
    )
    return open_signatures(store, called)


def open_signatures(store: Store, name: str) -> Signatures:
    """Open signatures by digest; ``StorageError`` where they do not exist."""
    return Signatures(**vars(batched.opened(store, KIND, name)))
