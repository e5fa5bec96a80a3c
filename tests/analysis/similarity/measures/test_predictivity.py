"""Linear predictivity against scikit-learn's ridge regression with the same penalty."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from seelike.analysis.similarity.measures import Undefined, similarity
from seelike.analysis.similarity.measures.fits.predictivity import PENALTIES, halves, penalty


def validated(x: np.ndarray, y: np.ndarray, penalties: np.ndarray) -> float:
    """The penalty of least generalised cross-validation error, with its hat matrix written out."""
    n = len(x)
    design = x - x.mean(axis=0)
    u, s, _ = np.linalg.svd(design, full_matrices=False)
    errors = []
    for value in penalties:
        hat = (u * (s**2 / (s**2 + value))) @ u.T
        hat += 1 / n  # The intercept.
        errors.append(((y - hat @ y) ** 2).sum() / (n - np.trace(hat)) ** 2)
    return float(penalties[np.argmin(errors)])


def reference(x: np.ndarray, y: np.ndarray) -> float:
    fitted, held = slice(0, None, 2), slice(1, None, 2)
    centred = x[fitted] - x[fitted].mean(axis=0)
    chosen = validated(x[fitted], y[fitted], PENALTIES * (centred**2).sum() / (len(centred) - 1))
    predicted = Ridge(alpha=chosen).fit(x[fitted], y[fitted]).predict(x[held])
    return float(r2_score(y[held], predicted, multioutput="variance_weighted"))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 41), st.sampled_from([2, 9, 60]), st.floats(0.05, 3.0))
def test_is_ridge_regression_on_half_of_the_images(seed: int, n: int, p: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * np.geomspace(1, 0.1, p) + 2
    y = x @ rng.normal(size=(p, 4)) * [1, 2, 3, 4] + noise * rng.normal(size=(n, 4)) - 5
    expected = reference(x, y)  # Of 4 fitted images it can be -700.
    assert similarity(x, y, measure="predictivity") == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_the_penalty_follows_the_noise() -> None:
    rng = np.random.default_rng(0)
    x, coefficients, noise = (
        rng.normal(size=(200, 20)),
        rng.normal(size=(20, 3)),
        rng.normal(size=(200, 3)),
    )
    predictor = halves(x)
    penalties = [penalty(predictor, halves(x @ coefficients + s * noise)) for s in (1e-3, 5, 1e3)]
    assert penalties == sorted(penalties)
    assert penalties[0] < penalties[1] < penalties[2]


def test_what_is_not_linear_in_the_first_is_not_predicted() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 3))
    assert similarity(x, x @ rng.normal(size=(3, 50)), measure="predictivity") > 0.9999
    assert abs(similarity(x, x**2, measure="predictivity")) < 0.05
    # The whole predicts its part, the part not the whole.
    assert similarity(x, x[:, :1], measure="predictivity") > 0.9999
    assert similarity(x[:, :1], x, measure="predictivity") < 0.6


def test_worse_than_the_mean_is_negative() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20, 1))
    y = np.where(np.arange(20)[:, None] % 2 == 0, x, -x)
    assert similarity(x, y, measure="predictivity") < -0.5


def test_too_few_images_and_a_half_that_does_not_vary_are_errors() -> None:
    x, y = np.random.default_rng(3).normal(size=(2, 8, 3))
    assert np.isfinite(similarity(x, y, measure="predictivity"))
    with pytest.raises(Undefined, match=r"7 images: half are fitted.*at least 8"):
        similarity(x[:7], y[:7], measure="predictivity")
    for half, what in ((slice(0, None, 2), "fitted"), (slice(1, None, 2), "held out")):
        still = x.copy()
        still[half] = x[0]
        for sides in ((still, y), (y, still)):
            with pytest.raises(Undefined, match=f"4 images that are {what}"):
                similarity(*sides, measure="predictivity")
