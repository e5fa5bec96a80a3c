"""Subsets of heads are one layer each: their HSICs add up as their Grams do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from analysis.errors import AnalysisError
from analysis.similarity import minibatch_cka
from analysis.similarity.head_subsets import Parts, agreement, spearman, subsets
from analysis.similarity.localization import signatures

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
    assert found.rho is not None and found.rho.drawn is not None
    assert found.rho.value[1] == pytest.approx(spearmanr(found.distance.value, cka[:, 1])[0])
    assert (np.abs(found.rho.drawn) <= 1).all()


def test_subsets_go_from_local_to_global_heads() -> None:
    assert subsets([3.0, 1.0, 2.0]) == ((1,), (2,), (0,))
    assert subsets(range(12))[0] == (0, 1, 2)
    assert np.diff([np.mean(one) for one in subsets(np.arange(12.0))]).min() > 0


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=20)
def test_spearman_is_scipys(seed: int) -> None:
    x, y = np.random.default_rng(seed).normal(size=(2, 3, 7))
    expected = [spearmanr(a, b)[0] for a, b in zip(x, y, strict=True)]
    assert spearman(x, y) == pytest.approx(np.array(expected))


def test_of_few_heads_there_is_no_correlation_and_what_is_constant_is_refused() -> None:
    heads, layers, distances = made()
    few = agreement(parts(heads[:, :, :2]), distances[:, :2], parts(layers))
    assert few.rho is None and len(few.subsets) == 2
    heads[:, :, 3] = 1.0
    with pytest.raises(AnalysisError, match="head 3 is constant over the images"):
        agreement(parts(heads), distances, parts(layers))
    with pytest.raises(AnalysisError, match=r"expected \(batches, heads\) twice"):
        agreement(parts(heads), distances[:2], parts(layers))
