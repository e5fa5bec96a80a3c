"""RSA against SciPy, and its treatment of ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.stats import rankdata, spearmanr

from seelike.analysis.similarity.measures import MEASURES, PairMeasure, Undefined, similarity
from seelike.analysis.similarity.measures.rsa import midranks


def vector(x: np.ndarray) -> np.ndarray:
    rsa = MEASURES["rsa"]
    assert isinstance(rsa, PairMeasure)
    return rsa.vector(x)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 30), st.integers(4, 40))
def test_is_spearman_of_correlation_distances(seed: int, n: int, p: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * rng.exponential(size=p)
    y = rng.normal(size=(n, 9)) + x[:, :1]
    expected = spearmanr(pdist(x, "correlation"), pdist(y, "correlation")).statistic
    assert similarity(x, y, measure="rsa") == pytest.approx(expected, abs=1e-12)


def test_ties_get_the_mean_of_their_ranks() -> None:
    rng = np.random.default_rng(1)
    # One-hot features and duplicated images: few distinct dissimilarities, most of them shared.
    x = np.concatenate([np.eye(6)[rng.integers(0, 6, 20)], np.zeros((20, 2))], axis=1)
    y = np.repeat(rng.normal(size=(10, 5)), 2, axis=0)
    rounded = [np.round(pdist(side, "correlation"), 12) for side in (x, y)]
    assert len(np.unique(rounded[0])) == 2
    expected = spearmanr(*rounded).statistic
    assert similarity(x, y, measure="rsa") == pytest.approx(expected, abs=1e-12)


def test_images_that_differ_by_a_ten_thousandth_keep_their_ranks() -> None:
    rng = np.random.default_rng(2)
    x = 1e4 * rng.normal(size=(1, 50)) + rng.normal(size=(24, 50))
    x[3] += 1e5 * rng.normal(size=50)
    distances = pdist(x.astype(np.longdouble), "correlation")
    unit = x.astype(np.longdouble)
    unit -= unit.mean(axis=1, keepdims=True)
    unit /= np.sqrt((unit**2).sum(axis=1, keepdims=True))
    rows, columns = np.triu_indices(24, k=1)
    distances = ((unit[rows] - unit[columns]) ** 2).sum(axis=1)
    expected = rankdata(distances).astype(float)
    expected -= expected.mean()
    np.testing.assert_allclose(vector(x), expected / np.linalg.norm(expected), atol=1e-12)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=40), st.integers(0, 10**6))
def test_midranks_are_those_of_scipy_whatever_the_rounding(values: list[int], seed: int) -> None:
    exact = np.asarray(values, float)
    noise = np.random.default_rng(seed).uniform(-1e-13, 1e-13, len(exact))
    ranks = midranks(exact + noise, rounding=np.full(len(exact), 1e-12))
    np.testing.assert_array_equal(ranks, rankdata(exact) - 1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3))
def test_blind_to_each_images_mean_and_scale_and_to_the_order_of_features(
    seed: int, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 20, 8))
    changed = scale * x * rng.uniform(0.5, 2, (20, 1)) + rng.normal(size=(20, 1))
    value = similarity(changed[:, rng.permutation(8)], y, measure="rsa")
    assert value == pytest.approx(similarity(x, y, measure="rsa"), abs=1e-10)


def test_rotation_is_seen() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 30, 6))
    turned = x @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    plain = similarity(x, y, measure="rsa")
    assert abs(similarity(turned, y, measure="rsa") - plain) > 0.01


def test_images_without_a_correlation_are_an_error() -> None:
    x = np.random.default_rng(0).normal(size=(12, 5))
    x[[7, 9]] = 0.1
    with pytest.raises(Undefined, match=r"image 7 is the same at all 5 features.*leave the image"):
        similarity(x, x, measure="rsa")
    with pytest.raises(Undefined, match="all 12 images are equally unlike"):
        similarity(np.eye(12), np.random.default_rng(0).normal(size=(12, 5)), measure="rsa")
