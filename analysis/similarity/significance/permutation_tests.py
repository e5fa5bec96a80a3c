"""Permutation tests: similarity of two taps against the same with the images of one shuffled.

They serve every measure, from its similarities under each permutation. All taps share the
permutations, so that a best match, the largest similarity over a model's layers, has a null too.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.image_pairs import TRIANGLE, Pairs, Places
from seelike.analysis.similarity.signature import Float32
from seelike.analysis.similarity.significance.permutations import check_finite, null_similarities
from seelike.analysis.similarity.significance.tails import Tail, largest_of

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
class Significance:
    """p values and critical values at ``LEVEL`` of some statistics, float64 of their shape.

    p is (1 + draws that reach the value) / (1 + draws), never zero (Phipson & Smyth 2010, eq. 2). A
    value is above its critical value exactly where its p is at most ``LEVEL``, up to ``ROUNDING``.
    """

    p: Array
    critical: Array


@dataclass(frozen=True)
class Null:
    """Result of a permutation test.

    Attributes:
        draws: Draws of every statistic.
        models: Models, in the taps' order.
        cells: Significance of every pair of taps, (T, T).
        matches: Significance of the largest similarity of a tap with any other tap of a model,
            (T, models).
        blocks: Significance of the largest similarity of any tap of one model with any of another,
            (models, models). Cells above their block's critical value are significant after
            correction for all cells of the block (single-step maximum, Westfall & Young 1993).
        corrected: p values of blocks after correction for all pairs of different models, from the
            largest similarity across any two models under the same shuffles, (models, models)
            float64. The diagonal keeps the p value of its block.
    """

    models: tuple[str, ...]
    draws: int
    cells: Significance
    matches: Significance
    blocks: Significance
    corrected: Array


@dataclass(frozen=True)
class ShuffleTest(ABC):
    """Test of similarities against those with shuffled images.

    Under a permutation pi the similarity of a and b is that of a and b with b's images shuffled.
    A ``symmetric`` measure gives every statistic two draws per permutation, of <K_a, pi K_b> and
    <K_b, pi K_a>: those of pi and of its inverse, equal in distribution. They are nearly
    uncorrelated where K_a and K_b are unrelated, as under the null, and one draw where K_a is K_b.
    Otherwise (a, b) and (b, a) are tested separately, with one draw per permutation.

    Attributes:
        observed: Observed similarities, (T, T).
        model: Model of every tap, (T,).
        permutations: Number of permutations.
        seed: Seed of the permutations.
        symmetric: Whether the measure is symmetric.

    Raises:
        AnalysisError: Shapes differ, or there are too few permutations.
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
        """Number of draws of every statistic."""
        return self.permutations * self._each

    @property
    def _each(self) -> int:
        return 2 if self.symmetric else 1

    @abstractmethod
    def _statistics(self, similarity: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Compute the tested statistics (draws, S) from ``similarity`` (draws, T, T)."""

    def _to_be_reached(self) -> npt.NDArray[Any]:
        """Observed value of each statistic, (1, S)."""
        return self._statistics(self.observed[None])

    def tail(
        self,
        batches: Callable[[], Iterable[Float32]],
        numbers: Sequence[int],
        *,
        pairs: Pairs = TRIANGLE,
    ) -> Tail:
        """Compute the tail of the draws under some of the permutations.

        Memory: three batches, 160 MB, and 3 tails of ``LEVEL`` x permutations (T, T) matrices.

        Args:
            batches: Gives directions times weights (T, numbers of ``pairs``) batch by batch; called
                once for every ``HELD`` / T² permutations.
            numbers: Numbers of the permutations, within 0 to permutations - 1.
            pairs: Pairs of images of the directions.
        """
        together = self._together
        groups = (numbers[i : i + together] for i in range(0, len(numbers), together))
        draws = (
            null_similarities(batches(), numbers=own, seed=self.seed, pairs=pairs) for own in groups
        )
        return reduce(Tail.joined, map(self._counted, draws))

    @property
    def _together(self) -> int:
        """Number of permutations in memory at once."""
        return max(1, HELD // len(self.model) ** 2)

    def _counted(self, draws: Float32) -> Tail:
        if draws.shape[1:] != self.observed.shape:
            raise AnalysisError(
                f"batches of {draws.shape[1]} taps, observed similarities of {len(self.observed)}"
            )
        check_finite(draws, "similarities of shuffled images")
        found = self._statistics(draws)
        if self.symmetric:
            found = np.concatenate([found, self._statistics(draws.swapaxes(1, 2))])
        reached = (found >= self._to_be_reached() - ROUNDING).sum(axis=0)
        # p is at most the level where fewer draws than these reach the value.
        kept = int(LEVEL * (1 + self.draws))
        return Tail(len(found), reached, largest_of(found, kept), kept)


@dataclass(frozen=True)
class PermutationTest(ShuffleTest):
    """Permutation test of every pair of taps, of best matches and of pairs of models."""

    def null(self, batches: Sequence[Float32]) -> Null:
        """Compute the null from all permutations; ``batches`` as for ``tail``, in a sequence."""
        return self.result(self.tail(lambda: batches, range(self.permutations)))

    def null_of(self, draws: Float32) -> Null:
        """Compute the null from the similarities under all permutations, (permutations, T, T)."""
        starts = range(0, len(draws), self._together)
        tails = (self._counted(draws[start : start + self._together]) for start in starts)
        return self.result(reduce(Tail.joined, tails))

    def result(self, tail: Tail) -> Null:
        """Compute the null from the ``tail`` of all permutations."""
        p, critical = map(self._unpacked, tail.significance)
        cells, matches, blocks, _ = map(Significance, p, critical)
        return Null(self._models, tail.draws, cells, matches, blocks, corrected=p[-1])

    def _statistics(self, similarity: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """All that is tested of ``similarity`` (draws, T, T): (draws, S).

        Cells, matches and blocks, and beside each block of two models the largest of these.
        """
        *parts, own = self._parts(similarity)
        largest = own.max(axis=1, keepdims=True, initial=LEAST)
        return _packed(*parts, np.broadcast_to(largest, own.shape))

    def _to_be_reached(self) -> npt.NDArray[Any]:
        return _packed(*self._parts(self.observed[None]))

    def _parts(self, similarity: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Cells, matches (draws, T, models), blocks, and of them those of different models."""
        apart = np.where(np.eye(len(self.model), dtype=bool), LEAST, similarity)
        members = [np.flatnonzero(np.asarray(self.model) == name) for name in self._models]
        matches = np.stack([apart[:, :, own].max(axis=2) for own in members], axis=2)
        blocks = np.stack([matches[:, own].max(axis=1) for own in members], axis=1)
        return [similarity[:, *self._tested], matches, blocks, blocks[:, *self._across]]

    def _unpacked(self, statistics: Array) -> list[Array]:
        """``statistics`` (S,) as cells (T, T), matches (T, models), blocks, blocks corrected."""
        taps, models = len(self.model), len(self._models)
        (rows, columns), (first, second) = self._tested, self._across
        ends = np.cumsum([len(rows), taps * models, models**2])
        packed, matches, flat, across = np.split(statistics, ends)
        cells, blocks = np.empty((taps, taps)), flat.reshape(models, models)
        corrected = blocks.copy()
        for whole, places, values in (
            (cells, (rows, columns), packed),
            (corrected, (first, second), across),
        ):
            whole[places] = values
            if self.symmetric:
                whole[places[::-1]] = values
        return [cells, matches.reshape(taps, models), blocks, corrected]

    @property
    def _tested(self) -> tuple[Places, Places]:
        """Rows and columns of the cells that are tested."""
        return _places(len(self.model), symmetric=self.symmetric, diagonal=True)

    @property
    def _across(self) -> tuple[Places, Places]:
        """First and second of every two models that are compared."""
        # One order of two models where the other says the same: each draw has both.
        return _places(len(self._models), symmetric=self.symmetric, diagonal=False)

    @property
    def _models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.model))


def _packed(*parts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Statistics (draws, ...) side by side, (draws, S)."""
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def _places(count: int, *, symmetric: bool, diagonal: bool) -> tuple[Places, Places]:
    """Rows and columns of a square of ``count``; of its upper triangle if it is symmetric."""
    wanted = np.ones((count, count), bool) if diagonal else ~np.eye(count, dtype=bool)
    rows, columns = np.nonzero(np.triu(wanted) if symmetric else wanted)
    return rows, columns
