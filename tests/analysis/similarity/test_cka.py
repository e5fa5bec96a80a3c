"""CKA against HSIC written out, its invariances, and its golden values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import (
    DegenerateTaps,
    NonFinite,
    batch_cosines,
    cell_interval,
    cka,
    cka_from_hsic,
    cka_matrix,
    gram,
    minibatch_cka,
    signature,
    unit,
)
from seelike.analysis.similarity.blockwise import block_cka
from seelike.analysis.similarity.cka import clip_rounding
from seelike.analysis.similarity.nearest.nearest import Query
from seelike.analysis.similarity.significance.permutations import batch_weights


def hsic_1(x: np.ndarray, y: np.ndarray) -> float:
    """Song et al. (2012), eq. 5, as it stands."""
    n = len(x)
    k, l = x.reshape(n, -1) @ x.reshape(n, -1).T, y.reshape(n, -1) @ y.reshape(n, -1).T  # noqa: E741
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    one = np.ones(n)
    return (
        np.trace(k @ l)
        + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (one @ k @ l @ one)
    ) / (n * (n - 3))


def reference(x: np.ndarray, y: np.ndarray) -> float:
    x, y = (a.astype(np.float64) - a.astype(np.float64).mean(0) for a in (x, y))
    return hsic_1(x, y) / np.sqrt(hsic_1(x, x) * hsic_1(y, y))


def pair(seed: int, n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 7))
    return x, np.tanh(x @ rng.normal(size=(7, 5))) + 0.5 * rng.normal(size=(n, 5))


def golden() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(1337)
    x = rng.randn(100, 10)
    return x, rng.randn(100, 10) + x


def test_golden_values() -> None:
    x, y = golden()
    assert cka(x, y, estimator="biased") == pytest.approx(0.55761, abs=5e-6)
    assert cka(x, y) == pytest.approx(0.51346, abs=5e-6)
    batches = minibatch_cka(x.reshape(4, 25, 10), y.reshape(4, 25, 10))
    assert batches == pytest.approx(0.513268, abs=5e-7)
    assert signature(x) @ signature(y) == pytest.approx(9.895956, abs=5e-7)
    assert cka(x, y, estimator="biased", kernel="rbf") == pytest.approx(0.65483, abs=5e-6)


@given(st.integers(0, 10**6), st.integers(4, 40))
def test_inner_products_of_signatures_are_hsic(seed: int, n: int) -> None:
    x, y = pair(seed, n)
    assert signature(x) @ signature(y) == pytest.approx(hsic_1(x, y), rel=1e-9, abs=1e-9)


@given(st.integers(0, 10**6), st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_invariant_to_rotation_scale_and_shift(seed: int, scale: float, shift: float) -> None:
    x, y = pair(seed)
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(7, 7)))[0]
    assert cka(scale * x @ rotation + shift, y) == pytest.approx(cka(x, y), abs=1e-8)


def test_not_invariant_to_invertible_maps() -> None:
    x, y = pair(0)
    assert abs(cka(x @ np.diag([100.0, 1, 1, 1, 1, 1, 1]), y) - cka(x, y)) > 0.05


@given(st.integers(0, 10**6))
def test_symmetric_and_one_on_itself(seed: int) -> None:
    x, y = pair(seed)
    for estimator in ("debiased", "biased"):
        assert cka(x, y, estimator=estimator) == pytest.approx(cka(y, x, estimator=estimator))
        assert cka(x, x, estimator=estimator) == 1.0
        assert cka(x, x, estimator=estimator, kernel="rbf") == 1.0
    assert minibatch_cka([x, y[:, :5]], [x, y[:, :5]]) == 1.0
    signatures = np.stack([signature(z) for z in (x, y, x)])
    for found in (cka_matrix(signatures), cka_matrix(signatures, signatures)):
        assert (found[[0, 1, 2, 0], [0, 1, 2, 2]] == 1.0).all()


def copies(seed: int, *, batches: int = 6, taps: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Float32 signatures (batches, 2 taps, pairs) of layers and copies of them, and lengths."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(batches, taps, 190))
    units = [[unit(one) for one in batch] for batch in vectors]
    directions = np.array([[one for one, _ in batch] * 2 for batch in units], np.float32)
    return directions, np.array([[length for _, length in batch] * 2 for batch in units])


@given(st.integers(0, 10**6))
def test_similarities_and_their_intervals_stay_within_one(seed: int) -> None:
    directions, lengths = copies(seed)
    weights = batch_weights(lengths)
    # Products of float32 vectors that leave copies of a layer above or below 1.
    cosines = np.stack([batch_cosines(one) for one in directions])
    cosines *= np.float32(1 + 2e-7)
    parts = cosines * (weights[:, :, None] * weights[:, None, :])
    assert parts.sum(axis=0).max() > 1
    whole, bounds = cka_from_hsic(parts), cell_interval(parts)
    block, of_block = block_cka(parts, weights, weights)
    row = Query(cosines[:, 0], weights[:, 0], weights)
    assert bounds is not None and of_block is not None
    for value, interval in ((whole, bounds), (block, of_block), (row.cka, row.interval())):
        assert interval is not None
        assert max(np.abs(each).max() for each in (value, *interval)) <= 1
        assert (interval[0] <= interval[1]).all()
    assert (np.diag(whole) == 1).all() and (np.diag(bounds[0]) == 1).all()


def test_only_rounding_is_clipped() -> None:
    inside = np.array([-1.0, -0.3, 0.0, 1 - 1e-16, 1.0, np.nan])
    np.testing.assert_array_equal(clip_rounding(inside), inside)
    beyond = np.array([1 + 1e-7, -1 - 1e-7, 0.123456789, np.nan])
    np.testing.assert_array_equal(clip_rounding(beyond), [1, -1, 0.123456789, np.nan])
    with pytest.raises(AnalysisError, match=r"\(1,\) is 1\.01, expected -1 to 1"):
        clip_rounding(np.array([0.5, 1.01]))
    with pytest.raises(AnalysisError, match=r"is 1\.5"):
        cka_from_hsic([[[1.0, 1.5], [1.5, 1.0]]])


def test_negative_values_stay_negative() -> None:
    values = [cka(*(np.random.default_rng(s).normal(size=(2, 8, 30)))) for s in range(20)]
    assert min(values) < -0.01


@pytest.mark.parametrize(
    "harm",
    [
        lambda x: x + 1e4,
        lambda x: x * 1e-25,
        lambda x: x * 1e20,
        lambda x: np.repeat(x[: len(x) // 2], 2, axis=0),
        lambda x: np.concatenate([x, 1e4 * x[:, :1]], axis=1),
    ],
    ids=["large mean", "tiny", "huge", "duplicates", "outlier"],
)
def test_hostile_float32_activations_lose_no_digits(harm) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(3)
    plain = rng.normal(size=(64, 300))
    x = harm(plain).astype(np.float32)
    y = rng.normal(size=(64, 50)).astype(np.float32)
    y[:, :20] += plain[:, :20].astype(np.float32)
    exact = x.astype(np.float64) / np.abs(x).max().astype(np.float64)
    assert cka(x, y) == pytest.approx(reference(exact, y), abs=1e-4)


def test_independent_features_with_a_large_mean_are_not_alike() -> None:
    x, y = np.random.default_rng(0).normal(10, 1, (2, 128, 2000)).astype(np.float32)
    assert abs(cka(x, y)) < 0.05


def test_both_ways_of_centring_agree() -> None:
    x = np.random.default_rng(1).normal(size=(32, 500)).astype(np.float32)
    near, far = gram(x + np.float32(3.9)), gram(x + np.float32(4.1))
    exact = gram(x.astype(np.float64))
    for found in (near, far):
        assert np.abs(found - exact).max() < 2e-5 * np.trace(exact) / 32


def test_streamed_batches_give_the_matrix_of_stored_signatures() -> None:
    rng = np.random.default_rng(5)
    taps = [rng.normal(size=(3, 16, 6)) @ rng.normal(size=(6, 9)) for _ in range(4)]
    parts = []
    for batch in range(3):
        directions, norms = zip(*(unit(signature(tap[batch])) for tap in taps), strict=True)
        parts.append(batch_cosines(np.stack(directions)) * np.outer(norms, norms))
    streamed = cka_from_hsic(np.stack(parts))
    stored = cka_matrix(np.stack([[signature(b) for b in tap] for tap in taps]))
    np.testing.assert_allclose(streamed, stored, atol=1e-6)
    for i in range(4):
        for j in range(4):
            assert stored[i, j] == pytest.approx(minibatch_cka(taps[i], taps[j]), abs=1e-9)


def test_constant_and_broken_activations_are_errors_not_nan() -> None:
    x, y = pair(0)
    constant = np.full((24, 5), 0.1, np.float32)
    assert not gram(constant).any()
    with pytest.raises(DegenerateTaps):
        cka(constant, y)
    broken = x.copy()
    broken[7, 2] = np.nan
    with pytest.raises(NonFinite) as error:
        cka(broken, y)
    assert error.value.row == 7
    with pytest.raises(AnalysisError, match="at least 4"):
        gram(x[:3])
    with pytest.raises(AnalysisError, match="nearest: 'debiased'"):
        cka(x, y, estimator="debiassed")
    with pytest.raises(AnalysisError, match="24 images, y has 20"):
        cka(x, y[:20])
