"""The taps most like one tap: by signatures, with intervals, and by sketches, block by block."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.errors import AnalysisError
from analysis.similarity.gram import Array
from analysis.similarity.intervals import LEVEL, REPEATS, SEED, resamples
from analysis.similarity.permutations import batch_weights
from analysis.similarity.sketches import cosines

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
        return np.asarray((self.cosines * self.own[:, None] * self.others).sum(axis=0))

    def of(self, places: Places) -> "Query":
        """The same beside some of the taps."""
        return Query(self.cosines[:, places], self.own, self.others[:, places])

    def interval(self) -> tuple[Array, Array] | None:
        """The bootstrap interval over batches (low, high), each (T,); None for a single batch.

        As ``intervals.bootstrap`` has it for the cells of a whole matrix, over the same resamples.
        Memory: 1 000 numbers a tap.
        """
        batches = len(self.own)
        if batches < 2:
            return None
        weights = resamples(batches, repeats=REPEATS, seed=SEED)
        drawn = weights @ (self.cosines * self.own[:, None] * self.others)
        mine, theirs = weights @ self.own**2, weights @ self.others**2
        scale = np.sqrt(np.where(mine > 0, mine, np.nan))[:, None]
        drawn /= scale * np.sqrt(np.where(theirs > 0, theirs, np.nan))
        quantile = np.nanquantile if np.isnan(drawn).any() else np.quantile
        low, high = quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        return low, high


def query(cosines: npt.ArrayLike, own: npt.ArrayLike, others: npt.ArrayLike) -> Query:
    """From cosines (batches, T) of signatures and lengths of one tap (batches,) and T others.

    Raises ``AnalysisError`` for taps whose signatures have no length in any batch.
    """
    return Query(
        np.asarray(cosines, np.float64),
        batch_weights(np.asarray(own, np.float64)[:, None])[:, 0],
        batch_weights(others),
    )


def best(values: npt.ArrayLike, count: int) -> Places:
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
        chosen = best(1 - (length + energies - 2 * (block @ wanted)) / 2, count)
        places = np.concatenate([places, first + chosen])
        values = np.concatenate([values, cosines(wanted, block[chosen])])
        kept = best(values, count)
        places, values = places[kept], values[kept]
        first += len(block)
    return places, values
