"""The product made in the hook is the one that NumPy makes of the recording."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seelike.analysis.networks.recording.products import WIDTH, product
from seelike.analysis.similarity.gram import NonFinite, gram


def reference(x: np.ndarray) -> np.ndarray:
    """The centred Gram in float64, straight from its definition."""
    exact = x.reshape(len(x), -1).astype(np.float64)
    exact -= exact.mean(axis=0)
    return np.asarray(exact @ exact.T)


@pytest.mark.parametrize("n", [4, 33, 64, 250])
@pytest.mark.parametrize("features", [1, WIDTH - 1, WIDTH, 2 * WIDTH + 7])
@pytest.mark.parametrize("mean", [0.0, 1.0, 1000.0])
def test_equals_the_definition_over_tiles_blocks_and_means(
    n: int, features: int, mean: float
) -> None:
    draw = np.random.default_rng(n + features)
    x = draw.standard_normal((n, features)) + mean * draw.standard_normal(features)
    x = x.astype(np.float32)
    expected = reference(x)
    assert np.abs(gram(x, product=product) - expected).max() <= 2e-6 * np.abs(expected).max()


def test_several_groups_of_blocks_are_all_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seelike.analysis.networks.recording.products.GROUP", 2 * 16**2)
    x = np.random.default_rng(0).standard_normal((16, 5 * WIDTH + 3)).astype(np.float32)
    expected = reference(x)
    assert np.abs(gram(x, product=product) - expected).max() <= 2e-6 * np.abs(expected).max()


def test_only_the_blocks_with_a_large_mean_are_centred() -> None:
    x = np.random.default_rng(1).standard_normal((8, 3 * WIDTH)).astype(np.float32)
    x[:, WIDTH : 2 * WIDTH] += 100.0
    total, energy = product(x)
    middle = x[:, WIDTH : 2 * WIDTH].astype(np.float64).mean(axis=0)
    assert energy == pytest.approx(8 * float(middle @ middle), rel=1e-5)
    rest = np.delete(x, np.s_[WIDTH : 2 * WIDTH], axis=1).astype(np.float64)
    shifted = x[:, WIDTH : 2 * WIDTH] - middle
    np.testing.assert_allclose(total, rest @ rest.T + shifted @ shifted.T, atol=0.2)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (5, 9), elements=st.floats(-4, 4, width=32)), st.integers(-100, 100))
def test_scales_by_powers_of_two_exactly(x: np.ndarray, exponent: int) -> None:
    x = np.round(x * 64) / 64
    once = gram(x.astype(np.float64), product=product)
    scaled = gram(np.ldexp(x.astype(np.float64), exponent), product=product)
    np.testing.assert_allclose(scaled, np.ldexp(once, 2 * exponent), rtol=1e-12)


def test_constant_features_give_exactly_zero() -> None:
    assert not gram(np.full((6, 5000), 3.7, np.float32), product=product).any()


def test_the_first_image_that_is_not_finite_is_named() -> None:
    x = np.ones((6, 5000), np.float32)
    x[4, 17] = np.nan
    with pytest.raises(NonFinite, match="image 4"):
        gram(x, product=product)
