"""Ridge paths beside scikit-learn, in both forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.preprocessing import StandardScaler

from seelike.analysis.probing.moments import Moments
from seelike.analysis.probing.ridge import GRID, Path, from_moments, from_rows

CLASSES = 3


def problem(m: int, p: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Examples on scales of their own, their ±1 targets and classes."""
    rng = np.random.default_rng(seed)
    target = np.arange(m) % CLASSES
    x = rng.standard_normal((m, p)) + rng.standard_normal((CLASSES, p))[target]
    x = x * 10 ** rng.uniform(-2, 2, p) + 50
    return x, 2 * np.eye(CLASSES)[target] - 1, target


@pytest.mark.parametrize(("m", "p"), [(40, 6), (12, 30), (10, 10)])
@pytest.mark.parametrize("multiple", [0, 7, 14])
def test_weights_are_those_of_scikit_learn(m: int, p: int, multiple: int) -> None:
    x, y, target = problem(m, p)
    path = from_rows(x, y, scale=x.std(axis=0))
    penalty = path.unit * GRID[multiple]
    weights, intercept = path.weights(penalty)
    scaled = StandardScaler().fit_transform(x)
    expected = Ridge(alpha=penalty).fit(scaled, y)
    np.testing.assert_allclose(weights * x.std(axis=0)[:, None], expected.coef_.T, atol=1e-6)
    np.testing.assert_allclose(x @ weights + intercept, expected.predict(scaled), atol=1e-6)
    scores = path.scores(x)[multiple]
    np.testing.assert_allclose(scores.T, expected.predict(scaled), atol=1e-6)
    classifier = RidgeClassifier(alpha=penalty).fit(scaled, target)
    np.testing.assert_array_equal(scores.argmax(axis=0), classifier.predict(scaled))


def primal(x: np.ndarray, y: np.ndarray, *, scale: np.ndarray) -> Path:
    """By the features' scatter whatever is smaller, written out."""
    centred = (x - x.mean(axis=0)) / scale
    return from_moments(
        centred.T @ centred,
        centred.T @ (y - y.mean(axis=0)),
        centre=x.mean(axis=0),
        level=y.mean(axis=0),
        inverse=1 / scale,
        examples=len(x),
    )


@settings(max_examples=25, deadline=None)
@given(m=st.integers(4, 14), p=st.integers(1, 30), seed=st.integers(0, 1000))
def test_the_dual_form_is_the_primal_one(m: int, p: int, seed: int) -> None:
    x, y, _ = problem(m, p, seed=seed)
    scale = x.std(axis=0)
    own, other = from_rows(x, y, scale=scale), primal(x, y, scale=scale)
    assert own.basis.shape == (p, min(m, p))
    np.testing.assert_allclose(own.unit, other.unit)
    np.testing.assert_allclose(own.scores(x), other.scores(x), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), cut=st.integers(1, 11), dual=st.booleans())
def test_predictions_know_no_scale_shift_or_order(seed: int, cut: int, dual: bool) -> None:
    x, y, _ = problem(12, 20 if dual else 5, seed=seed)
    rng = np.random.default_rng(seed)
    factors, shift = 2.0 ** rng.integers(-5, 6, x.shape[1]), rng.normal(size=x.shape[1])
    order = np.roll(np.arange(12), cut)
    other = x * factors + shift
    expected = from_rows(x, y, scale=x.std(axis=0)).scores(x)
    found = from_rows(other[order], y[order], scale=other.std(axis=0)).scores(other)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_features_that_do_not_vary_count_for_nothing() -> None:
    x, y, _ = problem(20, 4)
    with_constant = np.column_stack([x, np.full(20, 7.0)])
    scale = np.append(x.std(axis=0), np.inf)
    found = from_rows(with_constant, y, scale=scale)
    np.testing.assert_allclose(
        found.scores(with_constant + np.array([0, 0, 0, 0, 1e6])),
        from_rows(x, y, scale=scale[:4]).scores(x),
        atol=1e-8,
    )
    nothing = from_rows(np.full((20, 3), 7.0), y, scale=np.full(3, np.inf))
    np.testing.assert_array_equal(nothing.weights(nothing.unit)[0], 0)


@settings(max_examples=20, deadline=None)
@given(cuts=st.sets(st.integers(1, 29), max_size=6))
def test_moments_come_out_of_any_blocks(cuts: set[int]) -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((30, 2, 5)) + 1000).astype(np.float32)
    x[:, 1, 2] = 3.0
    y = 2 * np.eye(CLASSES)[rng.integers(0, CLASSES, 30)] - 1
    moments = Moments(2, 5, CLASSES, full=True)
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), 30], strict=True):
        moments.add(x[start:stop], y[start:stop])
    exact = x.astype(np.float64)
    centred = exact - exact.mean(axis=0)
    np.testing.assert_allclose(moments.mean, exact.mean(axis=0))
    for feature in range(2):
        own = centred[:, feature]
        np.testing.assert_allclose(moments.scatter[feature], own.T @ own, rtol=1e-9, atol=1e-9)
        cross = own.T @ (y - y.mean(axis=0))
        np.testing.assert_allclose(moments.cross[feature], cross, rtol=1e-9, atol=1e-9)
    expected = exact.std(axis=0)
    expected[1, 2] = np.inf
    np.testing.assert_allclose(moments.scale, expected)
