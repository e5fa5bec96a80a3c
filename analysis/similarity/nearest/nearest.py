"""Nearest taps of one tap: by signatures, with intervals, and by sketches, block by block."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.cka import clip_rounding, clipped_interval
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.intervals.cka_intervals import batch_groups
from seelike.analysis.similarity.intervals.jackknife import half_width, standard_error
from seelike.analysis.similarity.nearest.sketches import estimate_cka
from seelike.analysis.similarity.significance.permutations import batch_weights

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Query:
    """Similarity of one tap to T others, batch by batch; cosines times weights sum to CKA.

    Attributes:
        cosines: Cosines of its signatures with the others', (batches, T).
        own: Weights of the tap in the batches, of length one, (batches,).
        others: Weights of the others, of length one per tap, (batches, T).
    """

    cosines: Array
    own: Array
    others: Array

    @property
    def cka(self) -> Array:
        """Compute minibatch CKA with every tap, (T,)."""
        return clip_rounding(self._parts.sum(axis=0))

    def of(self, places: Places) -> "Query":
        """Select some of the taps."""
        return Query(self.cosines[:, places], self.own, self.others[:, places])

    def interval(self, *, images: npt.ArrayLike | None = None) -> tuple[Array, Array] | None:
        """Compute the 95 % jackknife interval over batches, as ``cell_interval`` for a matrix.

        Args:
            images: Images per batch, (batches,); the same for all if left out.

        Returns:
            (low, high), each (T,); None for a single batch.
        """
        groups = batch_groups(len(self.own), images)
        if groups is None:
            return None
        parts = self._parts
        mine, theirs = (1 - each**2 for each in (self.own, self.others))
        alone = (theirs <= 0).any(axis=0) | (mine <= 0).any()
        scale = np.sqrt(np.where(theirs > 0, theirs * np.maximum(mine, 0)[:, None], 1.0))
        scale[:, alone] = 1.0
        reach = half_width(*standard_error((parts.sum(axis=0) - parts) / scale, groups))
        reach[alone] = 2.0
        return clipped_interval(self.cka, reach)

    @property
    def _parts(self) -> Array:
        """Contribution of each batch to CKA, (batches, T)."""
        return np.asarray(self.cosines * self.own[:, None] * self.others)


def query(cosines: npt.ArrayLike, own: npt.ArrayLike, others: npt.ArrayLike) -> Query:
    """Make a query from cosines and lengths of signatures.

    Args:
        cosines: Cosines of one tap's signatures with T others', (batches, T).
        own: Lengths of the tap's signatures, (batches,).
        others: Lengths of the others' signatures, (batches, T).

    Raises:
        AnalysisError: All lengths of a tap are zero.
    """
    return Query(
        np.asarray(cosines, np.float64),
        batch_weights(np.asarray(own, np.float64)[:, None])[:, 0],
        batch_weights(others),
    )


def largest_places(values: npt.ArrayLike, count: int) -> Places:
    """Find the places of the largest values.

    Args:
        values: Values, (T,).
        count: Most places.

    Returns:
        Places, the largest value first, the earlier of equal ones first, (min(count, T),).

    Raises:
        AnalysisError: A value is NaN, or ``count`` is below 1.
    """
    known = np.asarray(values, np.float64)
    if count < 1:
        raise AnalysisError(f"{count} nearest layers, expected 1 or more")
    if np.isnan(known).any():
        raise AnalysisError("similarities hold NaN, expected numbers")
    kept = np.arange(len(known))
    if count < len(known):
        least = np.partition(known, len(known) - count)[len(known) - count]
        kept = np.flatnonzero(known >= least)
    return kept[np.argsort(-known[kept], kind="stable")][:count]


def nearest(
    query: npt.ArrayLike, blocks: Iterable[npt.NDArray[np.float32]], *, count: int
) -> tuple[Places, Array]:
    """Find the taps most similar to one tap, by sketches.

    Exact but for the error of the sketches. Memory: one block.

    Args:
        query: Sketch of the tap, (d,).
        blocks: Sketches of unit signatures, (n, d) float32 each.
        count: Most neighbours.

    Returns:
        Places, counted through all blocks, and estimated CKA, (count,) each, the nearest first.
    """
    wanted = np.asarray(query, np.float32)
    length = float(wanted.astype(np.float64) @ wanted)
    places, values = np.empty(0, np.intp), np.empty(0)
    first = 0
    for block in blocks:
        # One product per block; the few chosen ones are computed again, in full precision.
        energies = np.einsum("td,td->t", block, block, dtype=np.float32)
        chosen = largest_places(1 - (length + energies - 2 * (block @ wanted)) / 2, count)
        places = np.concatenate([places, first + chosen])
        values = np.concatenate([values, estimate_cka(wanted, block[chosen])])
        kept = largest_places(values, count)
        places, values = places[kept], values[kept]
        first += len(block)
    return places, values
