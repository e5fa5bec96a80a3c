"""SVCCA and PWCCA against canonical correlations written out, and where they mean nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.measures import Undefined, pwcca, similarity, svcca


def reduced(x: np.ndarray, share: float) -> np.ndarray:
    """``x`` on its first principal axes that hold ``share`` of the variance."""
    centred = x - x.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    count = next(k for k in range(1, len(s) + 1) if (s[:k] ** 2).sum() >= share * (s**2).sum())
    return u[:, :count] * s[:count]


def canonical(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Canonical correlations and the first side's canonical variables, by whitening covariances."""
    white = [side @ np.linalg.inv(np.real(sqrtm(side.T @ side))) for side in (x, y)]
    mixing, correlations, _ = np.linalg.svd(white[0].T @ white[1], full_matrices=False)
    return correlations, white[0] @ mixing


def taps(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 9)) * np.geomspace(1, 0.02, 9)
    y = x[:, :4] @ rng.normal(size=(4, 100)) + 0.03 * rng.normal(size=(n, 100))
    return x @ rng.normal(size=(9, 200)), y


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.9, 0.99]))
def test_svcca_is_the_mean_canonical_correlation(seed: int, share: float) -> None:
    x, y = taps(seed)
    correlations, _ = canonical(reduced(x, share), reduced(y, share))
    value = similarity(x, y, measure=svcca(share))
    assert value == pytest.approx(correlations.mean(), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.9, 0.99]))
def test_pwcca_weighs_by_the_projections_of_the_first(seed: int, share: float) -> None:
    for x, y in (taps(seed), taps(seed)[::-1]):
        neurons = reduced(x, share)
        correlations, variables = canonical(neurons, reduced(y, share))
        weights = np.abs(variables.T @ neurons).sum(axis=1)
        expected = weights @ correlations / weights.sum()
        assert similarity(x, y, measure=pwcca(share)) == pytest.approx(expected, abs=1e-8)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_all_components_are_invariant_to_any_invertible_map(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(40, 6)), rng.normal(size=(40, 5))
    y += x[:, :5]
    stretched = x @ np.diag(np.geomspace(1, 300, 6)) @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    value = similarity(x, y, measure=svcca(1.0))
    assert similarity(stretched, y, measure=svcca(1.0)) == pytest.approx(value, abs=1e-8)
    # Of the stretched tap, 99 % of the variance are fewer components: not the same subspace.
    assert abs(similarity(stretched, y, measure="svcca") - value) > 1e-4


def test_independent_taps_correlate_as_much_as_their_components_make_them() -> None:
    rng = np.random.default_rng(3)
    squares = [
        similarity(rng.normal(size=(101, 1)), rng.normal(size=(101, 25)), measure=svcca(1.0)) ** 2
        for _ in range(200)
    ]
    assert np.mean(squares) == pytest.approx(25 / 100, abs=0.02)


@pytest.mark.parametrize("name", ["svcca", "pwcca"])
def test_more_components_than_images_tell_apart_are_an_error(name: str) -> None:
    rng = np.random.default_rng(0)
    wide, narrow = rng.normal(size=(40, 5000)), rng.normal(size=(40, 3))
    message = r"3\d components hold 0.99 .* 5000 features; .* 40 images .* by construction"
    for sides in ((wide, narrow), (narrow, wide)):
        with pytest.raises(Undefined, match=message):
            similarity(*sides, measure=name)
    # 19 and 20 components of 40 images: 39 dimensions hold two of the first and not the second.
    enough, many = rng.normal(size=(40, 19)), rng.normal(size=(40, 20))
    full = {"svcca": svcca(1.0), "pwcca": pwcca(1.0)}[name]
    assert similarity(enough, enough[:, ::-1] ** 3, measure=full) < 1 - 1e-6
    with pytest.raises(Undefined, match=r"20 components .* 1 canonical correlations are 1"):
        similarity(many, enough, measure=full)


def test_components_of_equal_variance_are_kept_together() -> None:
    rng = np.random.default_rng(1)
    equal = np.linalg.qr(rng.normal(size=(400, 150)) - 0.0)[0]
    equal -= equal.mean(axis=0)
    x = np.linalg.qr(equal)[0]
    y = x @ rng.normal(size=(150, 2)) + 0.1 * rng.normal(size=(400, 2))
    # 149 of the 150 would do for 99 %: which one to leave is nobody's choice.
    correlations, _ = canonical(x - x.mean(axis=0), y - y.mean(axis=0))
    assert similarity(x, y, measure="svcca") == pytest.approx(correlations.mean(), abs=1e-8)


def test_weights_that_are_not_determined_are_an_error() -> None:
    rng = np.random.default_rng(2)
    shared = rng.normal(size=(60, 2))
    x = np.concatenate([shared, rng.normal(size=(60, 2))], axis=1)
    y = np.concatenate([shared, rng.normal(size=(60, 2))], axis=1)
    with pytest.raises(Undefined, match=r"4 canonical correlations of 60 images.*use svcca"):
        similarity(x, y, measure=pwcca(1.0))
    white = np.linalg.qr(x - x.mean(axis=0))[0]
    with pytest.raises(Undefined, match="weights are not determined"):
        similarity(white, x + rng.normal(size=(60, 4)), measure=pwcca(1.0))
    # Where all correlations are equal no weight matters.
    assert similarity(white, x, measure=pwcca(1.0)) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("make", [svcca, pwcca])
def test_a_share_of_the_variance_is_a_share(make) -> None:  # type: ignore[no-untyped-def]
    for share in (0.0, -0.5, 1.01, np.nan):
        with pytest.raises(AnalysisError, match="a share above 0 and up to 1"):
            make(share)
