"""The taps most like one tap: by signatures, with intervals, and by sketches, block by block."""

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
    """One tap beside T others, batch by batch: ``cosines`` (batches, T) of its signatures.

    ``own`` (batches,) and ``others`` (batches, T) are weights of length one a tap, so that
    cosines times weights sum to CKA.
    """

    cosines: Array
    own: Array
    others: Array

    @property
    def cka(self) -> Array:
        """Minibatch CKA with every tap, (T,)."""
        return clip_rounding(self._parts.sum(axis=0))

    def of(self, places: Places) -> "Query":
        """The same beside some of the taps."""
        return Query(self.cosines[:, places], self.own, self.others[:, places])

    def interval(self, *, images: npt.ArrayLike | None = None) -> tuple[Array, Array] | None:
        """The 95 % interval over batches (low, high), each (T,); None for a single batch.

        As ``intervals.cell_interval`` has it for the cells of a whole matrix; ``images`` (batches,)
        counts those of each batch.
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
        """What each batch adds to CKA, (batches, T)."""
        return np.asarray(self.cosines * self.own[:, None] * self.others)


def query(cosines: npt.ArrayLike, own: npt.ArrayLike, others: npt.ArrayLike) -> Query:
    """From cosines (batches, T) of signatures and lengths of one tap (batches,) and T others.

    Raises ``AnalysisError`` for taps whose signatures have no length in any batch.
    """
    return Query(
        np.asarray(cosines, np.float64),
        batch_weights(np.asarray(own, np.float64)[:, None])[:, 0],
        batch_weights(others),
    )


def largest_places(values: npt.ArrayLike, count: int) -> Places:
    """Where the ``count`` largest ``values`` (T,) are, the largest first, the earlier of equals.

    All of them where there are fewer. Raises ``AnalysisError`` for NaN, and a count below 1.
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
    """The ``count`` taps most like the one sketched as ``query`` (d,), and their CKA with it.

    ``blocks`` (n, d) are sketches of unit signatures, one after the other; places count through
    all of them. Exact but for the sketches' own error. Memory: that of a block.
    """
    wanted = np.asarray(query, np.float32)
    length = float(wanted.astype(np.float64) @ wanted)
    places, values = np.empty(0, np.intp), np.empty(0)
    first = 0
    for block in blocks:
        # One product a block; the few that are chosen are computed again, with all digits.
        energies = np.einsum("td,td->t", block, block, dtype=np.float32)
        chosen = largest_places(1 - (length + energies - 2 * (block @ wanted)) / 2, count)
        places = np.concatenate([places, first + chosen])
        values = np.concatenate([values, estimate_cka(wanted, block[chosen])])
        kept = largest_places(values, count)
        places, values = places[kept], values[kept]
        first += len(block)
    return places, values
