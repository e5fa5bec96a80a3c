"""Subsets of heads are one layer each: their HSICs add up as their Grams do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import minibatch_cka
from seelike.analysis.similarity.parts.head_subsets import Parts, agreement, correlation, subsets
from seelike.analysis.similarity.parts.localization import signatures

BATCHES, IMAGES, HEADS = 3, 12, 8


def parts(x: np.ndarray) -> Parts:
    """Of features (batches, images, parts, d)."""
    signed = [signatures(batch) for batch in x]
    return Parts(np.stack([s.directions for s in signed]), np.stack([s.lengths for s in signed]))


def made(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    heads = rng.normal(size=(BATCHES, IMAGES, HEADS, 5)) * rng.uniform(0.1, 9, (HEADS, 1))
    layers = rng.normal(size=(BATCHES, IMAGES, 2, 6)) + heads[:, :, :2, :1]
    return heads, layers, rng.uniform(1, 20, (BATCHES, HEADS))


def test_cka_of_a_subset_is_that_of_its_heads_side_by_side() -> None:
    heads, layers, distances = made()
    found = agreement(parts(heads), distances, parts(layers))
    assert len(found.subsets) == HEADS - 1 and {len(one) for one in found.subsets} == {2}
    cka = found.cka.value.reshape(-1, 2)
    for row, subset in enumerate(found.subsets):
        together = heads[:, :, list(subset)]
        for at in range(2):
            expected = minibatch_cka(list(together), list(layers[:, :, at]))
            assert cka[row, at] == pytest.approx(expected, abs=1e-6)
        assert found.distance.value[row] == pytest.approx(distances[:, list(subset)].mean())
    single = [minibatch_cka(list(heads[:, :, one]), list(layers[:, :, 1])) for one in range(HEADS)]
    expected = stats.pearsonr(distances.mean(axis=0), single)[0]
    assert found.correlation.value[1] == pytest.approx(expected, abs=1e-6)


def test_intervals_are_of_all_numbers_computed_again_without_each_batch() -> None:
    heads, layers, distances = made(3)
    found = agreement(parts(heads), distances, parts(layers))
    kept = [np.arange(BATCHES) != j for j in range(BATCHES)]
    member = [list(one) for one in found.subsets]
    cka = np.array(
        [
            [minibatch_cka(list(heads[own][:, :, one]), list(layers[own, :, 1])) for one in member]
            for own in kept
        ]
    )
    means = np.array([[distances[own][:, one].mean() for one in member] for own in kept])
    np.testing.assert_allclose(found.cka.without.reshape(BATCHES, -1, 2)[..., 1], cka, atol=1e-6)
    np.testing.assert_allclose(found.distance.without, means)
    single = [
        [
            minibatch_cka(list(heads[own][:, :, one]), list(layers[own, :, 1]))
            for one in range(HEADS)
        ]
        for own in kept
    ]
    left = [
        stats.pearsonr(distances[own].mean(axis=0), cka)[0]
        for own, cka in zip(kept, single, strict=True)
    ]
    np.testing.assert_allclose(found.correlation.without[:, 1], left, atol=1e-5)
    error = np.sqrt((BATCHES - 1) / BATCHES * ((left - np.mean(left)) ** 2).sum())
    one = found.correlation.at([1]).estimate
    assert one.high - one.value == pytest.approx(stats.t.ppf(0.975, BATCHES - 1) * error, rel=1e-4)


def test_subsets_go_from_local_to_global_heads() -> None:
    assert subsets([3.0, 1.0, 2.0]) == ((1,), (2,), (0,))
    assert subsets(range(12))[0] == (0, 1, 2)
    assert np.diff([np.mean(one) for one in subsets(np.arange(12.0))]).min() > 0


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=20)
def test_the_correlation_is_pearsons(seed: int) -> None:
    x, y = np.random.default_rng(seed).normal(size=(2, 3, 7))
    expected = [stats.pearsonr(a, b)[0] for a, b in zip(x, y, strict=True)]
    assert correlation(x, y) == pytest.approx(np.array(expected))
    with pytest.raises(AnalysisError, match="all alike in distance or CKA"):
        correlation(np.ones((1, 7)), y[:1])


def test_of_few_heads_there_is_no_correlation_and_what_is_constant_is_refused() -> None:
    heads, layers, distances = made()
    few = agreement(parts(heads[:, :, :2]), distances[:, :2], parts(layers))
    assert few.correlation is None and len(few.subsets) == 2
    heads[:, :, 3] = 1.0
    with pytest.raises(AnalysisError, match="head 3 is constant over the images"):
        agreement(parts(heads), distances, parts(layers))
    with pytest.raises(AnalysisError, match=r"expected \(batches, heads\) twice"):
        agreement(parts(heads), distances[:2], parts(layers))
