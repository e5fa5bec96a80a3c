"""Deconfounded CKA against regressing joined signatures, and against partial correlation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import (
    DegenerateTaps,
    cell_interval,
    cka_from_hsic,
    cka_matrix,
    signature,
)
from seelike.analysis.similarity.measures import Confounded, deconfounded


def signatures(seed: int, batches: int = 3, n: int = 12) -> np.ndarray:
    """Signatures (T + 1, batches, pairs) of taps that all see the pixels, which come last."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(size=(batches, n, 10))
    taps = [
        np.tanh(pixels @ rng.normal(size=(10, 8))) + share * rng.normal(size=(batches, n, 8))
        for share in (0.2, 0.5, 1.0, 2.0)
    ]
    return np.stack([[signature(batch) for batch in tap] for tap in [*taps, pixels]])


def parts_of(signed: np.ndarray) -> np.ndarray:
    return np.einsum("ibp,jbp->bij", signed, signed)


def residuals(signed: np.ndarray) -> np.ndarray:
    """Every tap's joined signature less its least squares fit by the last one's."""
    joined = signed.reshape(len(signed), -1)
    fit = [np.linalg.lstsq(joined[-1:].T, tap, rcond=None)[0] for tap in joined[:-1]]
    return joined[:-1] - np.stack(fit) * joined[-1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_cka_of_the_parts_is_the_cosine_of_residuals(seed: int, batches: int) -> None:
    signed = signatures(seed, batches)
    left = residuals(signed)
    found = deconfounded(parts_of(signed))
    assert found.shape == (batches, 4, 4)
    np.testing.assert_allclose(cka_from_hsic(found), cka_matrix(left), atol=1e-10)
    # Batch by batch too, so that each can be left out.
    by_batch = left.reshape(4, batches, -1)
    np.testing.assert_allclose(found, parts_of(by_batch), atol=1e-9 * np.abs(found).max())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_is_the_partial_correlation_of_plain_ckas(seed: int) -> None:
    parts = parts_of(signatures(seed))
    plain = cka_from_hsic(parts)
    a, b, ab = plain[0, -1], plain[1, -1], plain[0, 1]
    expected = (ab - a * b) / np.sqrt((1 - a**2) * (1 - b**2))
    assert cka_from_hsic(deconfounded(parts))[0, 1] == pytest.approx(expected, abs=1e-9)


def test_scale_of_a_tap_and_of_the_confounder_does_not_matter() -> None:
    signed = signatures(0)
    value = cka_from_hsic(deconfounded(parts_of(signed)))
    scaled = signed * np.array([1e-9, 1e6, 1, 1, 1e-12])[:, None, None]
    np.testing.assert_allclose(cka_from_hsic(deconfounded(parts_of(scaled))), value, atol=1e-9)


def test_what_taps_share_through_the_pixels_alone_is_gone() -> None:
    rng = np.random.default_rng(1)
    pixels, own = rng.normal(size=(400, 5)), rng.normal(size=(2, 400, 5))
    signed = np.stack([[signature(np.c_[pixels, tap])] for tap in own] + [[signature(pixels)]])
    parts = parts_of(signed)
    assert cka_from_hsic(parts)[0, 1] > 0.3
    assert abs(cka_from_hsic(deconfounded(parts))[0, 1]) < 0.05


def test_the_interval_is_the_jackknife_of_deconfounding_without_each_batch() -> None:
    # The fit by the pixels is that of all batches; fitting again changes the second order only.
    for seed in range(5):
        parts = parts_of(signatures(seed, batches=12, n=40))
        low, high = cell_interval(deconfounded(parts))
        left = [cka_from_hsic(deconfounded(np.delete(parts, j, axis=0))) for j in range(12)]
        error = np.sqrt(11 / 12 * ((left - np.mean(left, axis=0)) ** 2).sum(axis=0))
        reach = stats.t.ppf(0.975, 11) * error
        value = cka_from_hsic(deconfounded(parts))
        np.testing.assert_allclose(high - value, np.minimum(reach, 1 - value), atol=0.004)
        np.testing.assert_allclose(value - low, reach, atol=0.004)


def test_a_tap_explained_wholly_is_an_error_even_in_float32() -> None:
    signed = signatures(3)
    signed[1] = 7 * signed[-1]
    signed[2] = -signed[-1]
    for dtype in (np.float64, np.float32):
        with pytest.raises(Confounded, match=r"taps \[1, 2\] are explained wholly") as error:
            deconfounded(parts_of(signed).astype(dtype))
        assert error.value.indices == [1, 2]


def test_parts_that_mean_nothing_are_an_error() -> None:
    signed = signatures(4)
    still = signed.copy()
    still[2] = 0
    with pytest.raises(DegenerateTaps) as error:
        deconfounded(parts_of(still))
    assert error.value.indices == [2]
    blind = signed.copy()
    blind[-1] = 0
    with pytest.raises(AnalysisError, match="confounder does not vary"):
        deconfounded(parts_of(blind))
    parts = parts_of(signed)
    for wrong in (parts[0], parts[:, :2], parts[:, :1, :1], parts[:0]):
        with pytest.raises(AnalysisError, match="confounder last"):
            deconfounded(wrong)
    parts[1, 2, 3] = np.nan
    with pytest.raises(AnalysisError, match="not finite"):
        deconfounded(parts)
