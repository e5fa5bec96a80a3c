"""Permutation nulls: how alike two taps look when the images of one of them are shuffled.

For every measure, from the similarities it gives under each permutation. All taps share the
permutations, so that the largest similarity over a model's layers, which is what a best match
reports, has its null too.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.errors import AnalysisError
from analysis.similarity.gram import Array
from analysis.similarity.pairs import TRIANGLE, Pairs, Places
from analysis.similarity.permutations import check_finite, draws
from analysis.similarity.signature import Float32

LEVEL = 0.05
# With so many draws p = (1 + 0) / (1 + 20) is below the level.
FEWEST = 20
# A value this little below another may equal it but for float32 rounding: it counts as reached.
ROUNDING = 1e-6
# Stands for the similarity of a tap with itself, which is no match: less than any other.
LEAST = np.float32(-np.inf)
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

    @property
    def significance(self) -> tuple[Array, Array]:
        """Of the tail of all draws p and critical values (S,), as ``Significance`` has them."""
        p = (1 + self.reached) / (1 + self.draws)
        return np.asarray(p, np.float64), self.largest.min(axis=0).astype(np.float64)


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
class ShuffleTest(ABC):
    """Shuffled images against the ``observed`` similarities (T, T) of taps of ``model`` (T,).

    Under a permutation pi the similarity of a and b is that of a and b with b's images shuffled.
    Where the measure is ``symmetric`` this gives every statistic two draws, of <K_a, pi K_b> and
    <K_b, pi K_a>: those of pi and of its inverse, equal in distribution. They are nearly
    uncorrelated where K_a and K_b are unrelated, as the null says, and one draw where K_a is
    K_b. Otherwise (a, b) and (b, a) are tested each by its own draws, one a permutation. Raises
    ``AnalysisError`` for shapes that differ and for too few permutations.
    """

    observed: Array
    model: Sequence[str]
    permutations: int
    seed: int = 0
    symmetric: bool = True

    def __post_init__(self) -> None:
        taps = len(self.model)
        if self.observed.shape != (taps, taps):
            raise AnalysisError(
                f"observed similarities {self.observed.shape} of {taps} taps, expected "
                f"({taps}, {taps})"
            )
        check_finite(self.observed, "observed similarities")
        if self.draws < FEWEST:
            raise AnalysisError(
                f"{self.permutations} permutations, expected {FEWEST // self._each} or more: with "
                f"fewer no p value can be as low as {LEVEL:g}"
            )

    @property
    def draws(self) -> int:
        """How many draws of every statistic the permutations give."""
        return self.permutations * self._each

    @property
    def _each(self) -> int:
        return 2 if self.symmetric else 1

    @abstractmethod
    def _statistics(self, similarity: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """All that is tested (draws, S) of ``similarity`` (draws, T, T)."""

    def _to_be_reached(self) -> npt.NDArray[Any]:
        """What draws of each statistic are counted against, (1, S): its observed value."""
        return self._statistics(self.observed[None])

    def tail(
        self,
        batches: Callable[[], Iterable[Float32]],
        numbers: Sequence[int],
        *,
        pairs: Pairs = TRIANGLE,
    ) -> Tail:
        """The tail under some of the permutations, whose ``numbers`` are 0 to permutations - 1.

        ``batches()``, directions over ``pairs``, is asked for its batches anew for every ``HELD``
        / T² permutations. Memory: three batches, 160 MB, and 3 tails of ``LEVEL`` x permutations
        (T, T) matrices.
        """
        together = self._together
        groups = (numbers[i : i + together] for i in range(0, len(numbers), together))
        drawn = (draws(batches(), numbers=own, seed=self.seed, pairs=pairs) for own in groups)
        return reduce(Tail.joined, map(self._counted, drawn))

    @property
    def _together(self) -> int:
        """Permutations that are held at once."""
        return max(1, HELD // len(self.model) ** 2)

    def _counted(self, drawn: Float32) -> Tail:
        if drawn.shape[1:] != self.observed.shape:
            raise AnalysisError(
                f"batches of {drawn.shape[1]} taps, observed similarities of {len(self.observed)}"
            )
        check_finite(drawn, "similarities of shuffled images")
        found = self._statistics(drawn)
        if self.symmetric:
            found = np.concatenate([found, self._statistics(drawn.swapaxes(1, 2))])
        reached = (found >= self._to_be_reached() - ROUNDING).sum(axis=0)
        # p is at most the level where fewer draws than these reach the value.
        kept = int(LEVEL * (1 + self.draws))
        return Tail(len(found), reached, _largest(found, kept), kept)


@dataclass(frozen=True)
class PermutationTest(ShuffleTest):
    """The test of every pair of taps, of best matches and of pairs of models."""

    def null(self, batches: Sequence[Float32]) -> Null:
        """The null from all permutations; ``batches`` as for ``draws``."""
        return self.result(self.tail(lambda: batches, range(self.permutations)))

    def null_of(self, drawn: Float32) -> Null:
        """The null from the similarities under all permutations, (permutations, T, T)."""
        starts = range(0, len(drawn), self._together)
        tails = (self._counted(drawn[start : start + self._together]) for start in starts)
        return self.result(reduce(Tail.joined, tails))

    def result(self, tail: Tail) -> Null:
        """What ``tail``, of all the permutations, says."""
        p, critical = tail.significance
        parts = map(Significance, self._unpacked(p), self._unpacked(critical))
        return Null(self._models, tail.draws, *parts)

    def _statistics(self, similarity: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """All that is tested of ``similarity`` (draws, T, T): cells, matches, blocks (draws, S)."""
        taps = len(self.model)
        apart = np.where(np.eye(taps, dtype=bool), LEAST, similarity)
        members = [np.flatnonzero(np.asarray(self.model) == name) for name in self._models]
        matches = np.stack([apart[:, :, own].max(axis=2) for own in members], axis=2)
        blocks = np.stack([matches[:, own].max(axis=1) for own in members], axis=1)
        cells = similarity[:, *self._tested]
        return np.concatenate([a.reshape(len(a), -1) for a in (cells, matches, blocks)], axis=1)

    def _unpacked(self, statistics: Array) -> tuple[Array, Array, Array]:
        """Cells (T, T), matches (T, models) and blocks (models, models) of ``statistics`` (S,)."""
        taps, models = len(self.model), len(self._models)
        rows, columns = self._tested
        packed, matches, blocks = np.split(statistics, np.cumsum([len(rows), taps * models]))
        cells = np.empty((taps, taps))
        cells[rows, columns] = packed
        if self.symmetric:
            cells[columns, rows] = packed
        return cells, matches.reshape(taps, models), blocks.reshape(models, models)

    @property
    def _tested(self) -> tuple[Places, Places]:
        """Rows and columns of the cells that are tested."""
        everything = np.ones((len(self.model),) * 2, bool)
        rows, columns = np.nonzero(np.triu(everything) if self.symmetric else everything)
        return rows, columns

    @property
    def _models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.model))
