"""PERMANOVA: the share of the distances between models that a factor explains."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial, prod

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array

# The most permutations that are enumerated; so many are drawn where there are more.
PERMUTATIONS = 9999
SEED = 0
FEWEST = 3
# Sums of squares that differ by less, of all of them, are equal but for rounding.
_EQUAL = 1e-10


@dataclass(frozen=True)
class PermanovaResult:
    """The test of one factor on the squared distances of models.

    Attributes:
        models: Number of models N.
        levels: Number of levels of the factor.
        share: R².
        f: The pseudo-F; None where models of one level do not differ at all.
        p: Share of the permutations whose pseudo-F is as large, the observed one among them.
        permutations: Number of permutations.
        exact: Whether these are all different permutations.
    """

    models: int
    levels: int
    share: float
    f: float | None
    p: float
    permutations: int
    exact: bool


def permanova(
    distances: npt.ArrayLike,
    levels: Sequence[str],
    *,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
) -> PermanovaResult:
    """Test how much of the distances between models one factor explains (Anderson 2001).

    F = (SS_A / (a - 1)) / (SS_W / (N - a)), SS_T the sum of squared distances of all pairs over
    N, SS_W the same within every level over its size, SS_A = SS_T - SS_W.

    Args:
        distances: Distances between models, (N, N).
        levels: The level of each model, (N,).
        permutations: All different permutations are enumerated up to this number; otherwise so
            many are drawn.
        seed: Seed of the draws.

    Returns:
        The test.

    Raises:
        AnalysisError: The factor can't be tested (``untestable_reason``), or the models do not
            differ.

    Examples:
        >>> import numpy as np
        >>> from seelike.analysis.similarity.models.permanova import permanova
        >>> place = np.array([0.0, 0.1, 1.0, 1.2])
        >>> found = permanova(abs(place - place[:, None]), ["vit", "vit", "resnet", "resnet"])
        >>> round(found.share, 2), round(found.p, 2)
        (0.98, 0.33)
    """
    squared = np.square(np.asarray(distances, np.float64))
    why = untestable_reason(levels)
    if squared.shape != (len(levels),) * 2:
        why = f"distances {squared.shape} of {len(levels)} models"
    elif not why and not squared.any():
        why = "the models do not differ at all"
    if why:
        raise AnalysisError(f"{why}; nothing can be explained")
    names = list(dict.fromkeys(levels))
    numbered = np.array([names.index(level) for level in levels])
    total = squared.sum() / 2 / len(levels)
    within = float(_within(squared, numbered[None])[0])
    exact = assignment_count(levels) <= permutations
    each = _all(numbered) if exact else _random_permutations(numbered, permutations, seed)
    # F falls as SS_W grows, so one is as large where the other is as small.
    as_large = sum(
        int((_within(squared, some) <= within + _EQUAL * total).sum()) for some in _stacked(each)
    )
    count = assignment_count(levels) if exact else permutations + 1
    between, freedom = max(total - within, 0.0), len(levels) - len(names)
    # Rounding alone may be left of what is zero.
    f = None if within <= _EQUAL * total else (between / (len(names) - 1)) / (within / freedom)
    return PermanovaResult(
        len(levels),
        len(names),
        share=float(between / total),
        f=None if f is None else float(f),
        p=(as_large if exact else as_large + 1) / count,
        permutations=count,
        exact=exact,
    )


def untestable_reason(levels: Sequence[str]) -> str:
    """Reason why a factor with these ``levels`` cannot be tested; empty where it can."""
    sizes = Counter(levels)
    if len(levels) < FEWEST:
        return f"{len(levels)} models, expected {FEWEST} or more"
    if len(sizes) < 2:
        return f"all {len(levels)} models are of one level, {levels[0]}"
    if max(sizes.values()) < 2:
        return f"each of {len(levels)} models is of a level of its own"
    return ""


def assignment_count(levels: Sequence[str]) -> int:
    """The number of different assignments of the levels to the models."""
    sizes = Counter(levels).values()
    return factorial(len(levels)) // prod(map(factorial, sizes))


def _within(squared: Array, numbered: npt.NDArray[np.integer]) -> Array:
    """SS_W under each of the assignments of levels to models (assignments, N)."""
    result = np.zeros(len(numbered))
    for level in range(int(numbered.max()) + 1):
        own = (numbered == level).astype(np.float64)
        result += ((own @ squared) * own).sum(axis=1) / 2 / own.sum(axis=1)
    return result


def _stacked(each: Iterator[npt.NDArray[np.integer]]) -> Iterator[npt.NDArray[np.integer]]:
    """Assignments, some hundred at a time."""
    some: list[npt.NDArray[np.integer]] = []
    for one in each:
        some.append(one)
        if len(some) == 512:
            yield np.stack(some)
            some = []
    if some:
        yield np.stack(some)


def _all(numbered: npt.NDArray[np.integer]) -> Iterator[npt.NDArray[np.integer]]:
    """Every different assignment of the same levels, once."""

    def filled(left: Sequence[int], level: int, sizes: Sequence[int]) -> Iterator[dict[int, int]]:
        if level == len(sizes):
            yield {}
            return
        for own in combinations(left, sizes[level]):
            rest = [place for place in left if place not in own]
            for others in filled(rest, level + 1, sizes):
                yield others | dict.fromkeys(own, level)

    sizes = np.bincount(numbered).tolist()
    for found in filled(range(len(numbered)), 0, sizes):
        yield np.array([found[place] for place in range(len(numbered))])


def _random_permutations(
    numbered: npt.NDArray[np.integer], count: int, seed: int
) -> Iterator[npt.NDArray[np.integer]]:
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield generator.permutation(numbered)
