"""Permutation nulls: how alike two taps look when the images of one of them are shuffled.

For every measure in which two taps are as alike as two vectors over pairs of images: CKA's
signatures, RSA's centred dissimilarities. All taps share the permutations, so that the largest
similarity over a model's layers, which is what a best match reports, has its null too.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.errors import AnalysisError
from analysis.similarity.gram import Array
from analysis.similarity.permutations import check_finite, draws
from analysis.similarity.signature import Float32

LEVEL = 0.05
# Two draws a permutation, and p = (1 + 0) / (1 + 20) is below the level.
FEWEST = 10
# A value this little below another may equal it but for float32 rounding: it counts as reached.
ROUNDING = 1e-6
# Stands for the similarity of a tap with itself, which is no match: the least a cosine can be.
LEAST = np.float32(-1)
# Numbers that draws may hold before they are counted: 32 MB.
HELD = 2**23


@dataclass(frozen=True)
class Tail:
    """What is kept of the draws of some statistics (S,), whatever their number.

    ``reached`` (S,): how many of the ``draws`` reached the observed value. ``largest``
    (at most ``kept``, S) float32: the largest draws, in no order.
    """

    draws: int
    reached: npt.NDArray[np.intp]
    largest: Float32
    kept: int

    def joined(self, other: "Tail") -> "Tail":
        """The tail of the draws of both; the same in whatever order tails are joined."""
        largest = _largest(np.concatenate([self.largest, other.largest]), self.kept)
        reached = self.reached + other.reached
        return Tail(self.draws + other.draws, reached, largest, self.kept)


def _largest(drawn: Float32, kept: int) -> Float32:
    """The ``kept`` largest along the first axis of ``drawn``, which is reordered."""
    if len(drawn) <= kept:
        return drawn
    drawn.partition(len(drawn) - kept, axis=0)
    return drawn[-kept:].copy()


@dataclass(frozen=True)
class Significance:
    """p values and critical values at ``LEVEL`` of some statistics, float64 of their shape.

    p is (1 + reached) / (1 + draws), never zero (Phipson & Smyth 2010, eq. 2). A value is above
    its critical value where, and only where, its p is at most ``LEVEL``, up to ``ROUNDING``.
    """

    p: Array
    critical: Array


@dataclass(frozen=True)
class Null:
    """What a permutation test says, from so many ``draws``; ``models`` are in the taps' order.

    ``cells`` (T, T): of every pair of taps. ``matches`` (T, models): of the largest similarity
    of a tap with any tap of a model, itself left out. ``blocks`` (models, models): of the
    largest similarity of any tap of one model with any of another. Cells above their block's
    critical value are significant after correction for all cells of the block (single-step
    maximum, Westfall & Young 1993).
    """

    models: tuple[str, ...]
    draws: int
    cells: Significance
    matches: Significance
    blocks: Significance


@dataclass(frozen=True)
class PermutationTest:
    """The test of the ``observed`` similarities (T, T) of taps whose models are ``model`` (T,).

    A permutation gives every statistic two draws, of <K_a, pi K_b> and <K_b, pi K_a>: those of
    pi and of its inverse, equal in distribution. They are nearly uncorrelated where K_a and K_b
    are unrelated, as the null says, and one draw where K_a is K_b. Raises ``AnalysisError`` for
    shapes that differ and for too few permutations.
    """

    observed: Array
    model: Sequence[str]
    permutations: int
    seed: int = 0

    def __post_init__(self) -> None:
        taps = len(self.model)
        if self.observed.shape != (taps, taps):
            raise AnalysisError(
                f"observed similarities {self.observed.shape} of {taps} taps, expected "
                f"({taps}, {taps})"
            )
        check_finite(self.observed, "observed similarities")
        if self.permutations < FEWEST:
            raise AnalysisError(
                f"{self.permutations} permutations, expected {FEWEST} or more: with fewer no p "
                f"value can be as low as {LEVEL:g}"
            )

    def null(self, batches: Sequence[Float32]) -> Null:
        """The null from all permutations; ``batches`` as for ``draws``."""
        return self.result(self.tail(lambda: batches, range(self.permutations)))

    def tail(self, batches: Callable[[], Iterable[Float32]], numbers: Sequence[int]) -> Tail:
        """The tail under some of the permutations, whose ``numbers`` are 0 to permutations - 1.

        ``batches()`` is asked for its batches anew for every ``HELD`` / T² permutations. Memory:
        four batches, 160 MB, and 3 tails of ``LEVEL`` x permutations (T, T) matrices.
        """
        together = max(1, HELD // len(self.model) ** 2)
        groups = (numbers[i : i + together] for i in range(0, len(numbers), together))
        drawn = (draws(batches(), numbers=group, seed=self.seed) for group in groups)
        return reduce(Tail.joined, map(self._counted, drawn))

    def result(self, tail: Tail) -> Null:
        """What ``tail``, of all the permutations, says."""
        p = (1 + tail.reached) / (1 + tail.draws)
        critical = tail.largest.min(axis=0).astype(np.float64)
        parts = map(Significance, self._unpacked(p), self._unpacked(critical))
        return Null(self._models, tail.draws, *parts)

    def _counted(self, drawn: Float32) -> Tail:
        if drawn.shape[1:] != self.observed.shape:
            raise AnalysisError(
                f"batches of {drawn.shape[1]} taps, observed similarities of {len(self.observed)}"
            )
        both = np.concatenate([self._statistics(drawn), self._statistics(drawn.swapaxes(1, 2))])
        reached = (both >= self._statistics(self.observed[None]) - ROUNDING).sum(axis=0)
        # p is at most the level where fewer draws than these reach the value.
        kept = int(LEVEL * (1 + 2 * self.permutations))
        return Tail(len(both), reached, _largest(both, kept), kept)

    def _statistics(self, similarity: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """All that is tested of ``similarity`` (draws, T, T): cells, matches, blocks (draws, S)."""
        taps = len(self.model)
        apart = np.where(np.eye(taps, dtype=bool), LEAST, similarity)
        members = [np.flatnonzero(np.asarray(self.model) == name) for name in self._models]
        matches = np.stack([apart[:, :, own].max(axis=2) for own in members], axis=2)
        blocks = np.stack([matches[:, own].max(axis=1) for own in members], axis=1)
        cells = similarity[:, *np.triu_indices(taps)]
        return np.concatenate([a.reshape(len(a), -1) for a in (cells, matches, blocks)], axis=1)

    def _unpacked(self, statistics: Array) -> tuple[Array, Array, Array]:
        """Cells (T, T), matches (T, models) and blocks (models, models) of ``statistics`` (S,)."""
        taps, models = len(self.model), len(self._models)
        packed, matches, blocks = np.split(
            statistics, np.cumsum([math.comb(taps + 1, 2), taps * models])
        )
        rows, columns = np.triu_indices(taps)
        cells = np.empty((taps, taps))
        cells[rows, columns] = cells[columns, rows] = packed
        return cells, matches.reshape(taps, models), blocks.reshape(models, models)

    @property
    def _models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.model))


def benjamini_hochberg(p: npt.ArrayLike) -> Array:
    """Adjusted p values, q (m,), of one family of p values (m,): Benjamini & Hochberg (1995).

    Rejecting q <= level keeps the expected share of false rejections at the level, for tests
    that are independent or positively dependent. Raises ``AnalysisError`` for p outside [0, 1].
    """
    values = np.asarray(p, np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise AnalysisError(f"p values {values.shape}, expected (m,) between 0 and 1")
    order = np.argsort(values)[::-1]
    scaled = values[order] * (len(values) / np.arange(len(values), 0, -1))
    q = np.empty_like(values)
    q[order] = np.minimum.accumulate(scaled)
    return q


def q_values(p: npt.ArrayLike, *, families: npt.ArrayLike | None = None) -> Array:
    """Adjusted p values, q (T, T) symmetric, of the pairs of taps with p values ``p`` (T, T).

    Every pair counts once; all are one family, or those with one label in ``families`` (T, T)
    are. The diagonal, which is no test, keeps its p. Raises ``AnalysisError`` for other shapes.
    """
    values = np.asarray(p, np.float64)
    labels = np.zeros(values.shape) if families is None else np.asarray(families)
    if values.ndim != 2 or len(set(values.shape + labels.shape)) > 1:
        raise AnalysisError(f"p values {values.shape}, families {labels.shape}: expected (T, T)")
    rows, columns = np.triu_indices(len(values), 1)
    q = values.copy()
    for label in np.unique(labels[rows, columns]):
        own = labels[rows, columns] == label
        i, j = rows[own], columns[own]
        q[i, j] = q[j, i] = benjamini_hochberg(values[i, j])
    return q


def calibrated(similarity: npt.ArrayLike, critical: npt.ArrayLike) -> Array:
    """``similarity`` on a scale from its ``critical`` value, 0, to 1: float64, of their shape.

    max((s - tau) / (1 - tau), 0) of Gröger, Wen & Brbić (2026), eq. 12; with critical values of
    matches, eq. 17. Their tau counts the observed value as a draw, which changes tau only
    where both are zero. Raises ``AnalysisError`` for shapes that differ and for a tau of 1.
    """
    s, tau = np.asarray(similarity, np.float64), np.asarray(critical, np.float64)
    if s.shape != tau.shape:
        raise AnalysisError(f"similarities {s.shape}, critical values {tau.shape}: not the same")
    check_finite(s, "similarities")
    check_finite(tau, "critical values")
    if (tau >= 1 - ROUNDING).any():
        where = tuple(int(i) for i in np.argwhere(tau >= 1 - ROUNDING)[0])
        raise AnalysisError(
            f"the critical value at {where} is 1: so few images that shuffles repeat them; use "
            "larger batches"
        )
    return np.asarray(np.maximum((s - tau) / (1 - tau), 0.0))
