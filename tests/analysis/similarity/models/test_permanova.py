"""PERMANOVA: an independent reference, enumeration, and p values under the null."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.models.permanova import (
    assignment_count,
    permanova,
    untestable_reason,
)

seeds = st.integers(0, 2**32 - 1)


def distances(seed: int, count: int) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return cdist(points, points)


def reference(d: np.ndarray, levels: list[str]) -> tuple[float, float]:
    """R² and pseudo-F from the points' trace: tr(H G) / tr(G), McArdle and Anderson (2001)."""
    n, names = len(levels), sorted(set(levels))
    centring = np.eye(n) - 1 / n
    gower = -centring @ d**2 @ centring / 2
    design = np.array([[level == name for name in names] for level in levels], float)
    hat = design @ np.linalg.pinv(design)
    between = np.trace(hat @ gower @ hat)
    within = np.trace((np.eye(n) - hat) @ gower @ (np.eye(n) - hat))
    f = (between / (len(names) - 1)) / (within / (n - len(names)))
    return between / np.trace(gower), f


@settings(deadline=None)
@given(seeds)
def test_it_equals_the_reference_and_the_count_over_all_orders(seed: int) -> None:
    levels = ["a", "b", "a", "c", "b", "a"]
    d = distances(seed, 6)
    found = permanova(d, levels)
    share, f = reference(d, levels)
    assert (found.share, found.f) == pytest.approx((share, f))
    every = [reference(d, [levels[i] for i in order])[1] for order in permutations(range(6))]
    assert found.p == pytest.approx(np.mean([one >= f * (1 - 1e-9) for one in every]))
    assert (found.exact, found.permutations) == (True, assignment_count(levels)) == (True, 60)


def test_many_orders_are_drawn_by_a_seed() -> None:
    levels = ["a"] * 10 + ["b"] * 10
    d = distances(1, 20)
    found = permanova(d, levels, permutations=400)
    assert (found.exact, found.permutations) == (False, 401)
    assert permanova(d, levels, permutations=400) == found
    # Of 184 756 orders so many reach it: an estimate of the share of all.
    exact = permanova(d, levels, permutations=200_000)
    assert exact.exact
    assert abs(found.p - exact.p) < 4 * np.sqrt(exact.p * (1 - exact.p) / 400) + 1 / 401


def test_p_is_uniform_where_nothing_is_explained() -> None:
    levels = ["a", "b"] * 5
    p = np.array([permanova(distances(seed, 10), levels).p for seed in range(200)])
    for level in (0.1, 0.3, 0.5, 0.8):
        assert abs((p <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 200)


def test_groups_that_do_not_differ_within_are_explained_whole() -> None:
    levels = ["a"] * 4 + ["b"] * 3
    points = np.array([[float(level == "b")] for level in levels])
    found = permanova(cdist(points, points), levels)
    assert (found.share, found.f) == (1.0, None)
    assert found.p == pytest.approx(1 / 35)


@given(seeds)
def test_the_scale_and_the_models_order_change_nothing(seed: int) -> None:
    levels = ["a", "b", "a", "b", "b"]
    d = distances(seed, 5)
    order = np.random.default_rng(seed).permutation(5)
    found = permanova(d, levels)
    moved = permanova(7 * d[np.ix_(order, order)], [levels[i] for i in order])
    assert (moved.share, moved.f) == pytest.approx((found.share, found.f))
    assert moved.p == found.p


@pytest.mark.parametrize(
    ("levels", "why"),
    [
        (["a", "b"], "2 models, expected 3 or more"),
        (["a", "a", "a"], "all 3 models are of one level, a"),
        (["a", "b", "c"], "each of 3 models is of a level of its own"),
    ],
)
def test_factors_that_cannot_be_tested_say_why(levels: list[str], why: str) -> None:
    assert untestable_reason(levels) == why
    with pytest.raises(AnalysisError, match=why):
        permanova(distances(0, len(levels)), levels)


def test_models_that_do_not_differ_are_refused() -> None:
    with pytest.raises(AnalysisError, match="the models do not differ at all"):
        permanova(np.zeros((3, 3)), ["a", "a", "b"])
    with pytest.raises(AnalysisError, match=r"distances \(3, 3\) of 4 models"):
        permanova(np.zeros((3, 3)), ["a", "a", "b", "b"])
