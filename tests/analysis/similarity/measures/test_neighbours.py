"""Mutual nearest neighbours against counting them one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.measures import Undefined, mutual_knn, similarity


def counted(x: np.ndarray, y: np.ndarray, k: int) -> float:
    """The definition of Huh et al. (2024), one image after the other."""
    shares = []
    for i in range(len(x)):
        nearest = []
        for side in (x, y):
            unit = side / np.linalg.norm(side, axis=1, keepdims=True)
            cosines = unit @ unit[i]
            cosines[i] = -2
            nearest.append(set(np.argsort(-cosines)[:k].tolist()))
        shares.append(len(nearest[0] & nearest[1]) / k)
    return float(np.mean(shares))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(12, 40), st.integers(1, 10))
def test_is_the_mean_share_of_common_neighbours(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 8)) + 0.5
    y = x[:, :4] + 0.5 * rng.normal(size=(n, 4))
    assert similarity(x, y, measure=mutual_knn(k)) == pytest.approx(counted(x, y, k), abs=1e-12)


def test_ten_neighbours_unless_told() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 40, 6))
    y += x
    assert similarity(x, y, measure="mutual_knn") == pytest.approx(counted(x, y, 10), abs=1e-12)


def test_independent_taps_have_the_neighbours_in_common_that_chance_gives() -> None:
    rng = np.random.default_rng(1)
    values = [similarity(*rng.normal(size=(2, 101, 5)), measure="mutual_knn") for _ in range(20)]
    assert np.mean(values) == pytest.approx(10 / 100, abs=0.01)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_blind_to_the_length_of_each_images_features(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 30, 6))
    longer = x * rng.uniform(0.1, 10, (30, 1))
    assert similarity(longer, y, measure="mutual_knn") == pytest.approx(
        similarity(x, y, measure="mutual_knn"), abs=1e-12
    )


def test_too_few_images_to_choose_from_are_an_error() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 12, 6))
    assert 0 < similarity(x, y, measure="mutual_knn") < 1
    for n in (5, 10, 11):
        with pytest.raises(Undefined, match=f"{n} images: the 10 nearest.*at least 12 images"):
            similarity(x[:n], y[:n], measure="mutual_knn")
    for k in (0, -3):
        with pytest.raises(AnalysisError, match=f"{k} neighbours, expected 1 or more"):
            mutual_knn(k)


def test_ties_at_the_last_neighbour_are_an_error_and_elsewhere_are_none() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 40, 6))
    twins = x.copy()
    near = np.argsort(-(x @ x[5]) / np.linalg.norm(x, axis=1))
    twins[near[10]] = twins[near[11]]
    with pytest.raises(Undefined, match="two images equally near where its 10 neighbours end"):
        similarity(twins, y, measure="mutual_knn")
    everywhere = np.repeat(x[:20], 2, axis=0)
    # With an odd number of neighbours every image ends between two pairs of twins.
    assert similarity(everywhere, everywhere, measure=mutual_knn(9)) == pytest.approx(1.0)
    with pytest.raises(Undefined, match="40 of 40 images have"):
        similarity(everywhere, everywhere, measure="mutual_knn")


def test_an_image_of_zeros_is_an_error() -> None:
    x, y = np.random.default_rng(3).normal(size=(2, 20, 6))
    x[[4, 8]] = 0
    with pytest.raises(Undefined, match="image 4 is zero at all 6 features"):
        similarity(x, y, measure="mutual_knn")


def test_neighbours_are_told_apart_under_a_large_common_mean() -> None:
    rng = np.random.default_rng(4)
    x = 1e4 + rng.normal(size=(40, 30))
    y = rng.normal(size=(40, 6))
    unit = x.astype(np.longdouble)
    unit /= np.sqrt((unit**2).sum(axis=1, keepdims=True))
    squared = ((unit[:, None] - unit) ** 2).sum(axis=2).astype(float)
    np.fill_diagonal(squared, np.inf)
    nearest = np.zeros((40, 40), bool)
    np.put_along_axis(nearest, np.argsort(squared, axis=1)[:, :10], True, axis=1)
    plain = y / np.linalg.norm(y, axis=1, keepdims=True)
    cosines = plain @ plain.T
    np.fill_diagonal(cosines, -2)
    expected = nearest[np.arange(40)[:, None], np.argsort(-cosines, axis=1)[:, :10]].mean()
    assert similarity(x, y, measure="mutual_knn") == pytest.approx(expected, abs=1e-12)
