"""Classical scaling: known configurations, a dense reference, whatever the size of blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import procrustes
from scipy.spatial.distance import cdist

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.models.classical_mds import PASSES, classical_mds

from .in_memory import rows_of

seeds = st.integers(0, 2**32 - 1)


def of_points(points: np.ndarray) -> np.ndarray:
    """Similarities whose angles are the distances of points."""
    return np.cos(cdist(points, points))


def random_cosines(seed: int, layers: int, features: int = 40) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(layers, features)) ** 3
    x = np.cumsum(x, axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.clip(x @ x.T, -1, 1)


def dense(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, ascending, and eigenvectors of the centred matrix, all at once."""
    squared = np.arccos(similarity) ** 2
    np.fill_diagonal(squared, 0)
    centring = np.eye(len(squared)) - 1 / len(squared)
    return np.linalg.eigh(-centring @ squared @ centring / 2)


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from([3, 4, 11, 60]))
def test_points_in_the_plane_are_found_but_for_turning_them(seed: int, count: int) -> None:
    points = np.random.default_rng(seed).uniform(0, 1, size=(count, 2))
    found = classical_mds(rows_of(of_points(points)), np.linspace(0, 1, count))
    np.testing.assert_allclose(
        cdist(found.coordinates, found.coordinates), cdist(points, points), atol=1e-6
    )
    assert procrustes(points, found.coordinates)[2] < 1e-8
    np.testing.assert_allclose(found.shares.sum(), 1, atol=1e-6)
    np.testing.assert_allclose(found.negative, 0, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(seeds, st.sampled_from([9, 70, 300]))
def test_it_equals_the_dense_decomposition(seed: int, count: int) -> None:
    similarity = random_cosines(seed, count)
    values, vectors = dense(similarity)
    depth = np.linspace(0, 1, count)
    found = classical_mds(rows_of(similarity), depth, step=17)
    expected = vectors[:, [-1, -2]] * np.sqrt(values[[-1, -2]])
    expected *= np.where((depth - 0.5) @ expected < 0, -1, 1)
    np.testing.assert_allclose(found.coordinates, expected, atol=1e-5)
    np.testing.assert_allclose(found.shares, values[[-1, -2]] / values.sum(), rtol=1e-8)
    negative = (values[values < 0] ** 2).sum() / (values**2).sum()
    low, high = found.negative
    assert low - 1e-9 <= negative <= high + 1e-9
    if found.passes * 8 >= count - 1:
        assert high - low < 1e-6


def test_blocks_change_nothing_and_few_passes_are_enough() -> None:
    similarity = random_cosines(5, 700)
    depth = np.linspace(0, 1, 700)
    whole = classical_mds(rows_of(similarity), depth, step=700)
    for step in (1, 13, 699):
        cut = classical_mds(rows_of(similarity), depth, step=step)
        np.testing.assert_allclose(cut.coordinates, whole.coordinates, atol=1e-9)
        np.testing.assert_allclose(cut.shares, whole.shares, rtol=1e-12)
        assert cut.passes == whole.passes
    asked: list[int] = []

    def rows(start: int, stop: int) -> np.ndarray:
        asked.append(stop - start)
        return similarity[start:stop]

    found = classical_mds(rows, depth, step=100)
    assert sum(asked) == 700 * found.passes
    assert max(asked) == 100
    assert found.passes < 20 < PASSES


def test_axes_point_to_deeper_layers() -> None:
    points = np.stack([np.linspace(1, 0, 30), np.linspace(0, 0.3, 30) ** 2], axis=1)
    depth = np.linspace(0, 1, 30)
    found = classical_mds(rows_of(of_points(points)), depth).coordinates
    assert ((depth - depth.mean()) @ found >= -1e-12).all()
    turned = classical_mds(rows_of(of_points(-points)), depth).coordinates
    np.testing.assert_allclose(turned, found, atol=1e-7)


@pytest.mark.parametrize(
    "points", [np.zeros((5, 2)), np.stack([np.linspace(0, 1, 5), np.zeros(5)], axis=1)]
)
def test_layers_that_differ_in_one_way_or_none_make_no_map(points: np.ndarray) -> None:
    with pytest.raises(AnalysisError, match="5 layers have fewer than 2 dimensions"):
        classical_mds(rows_of(of_points(points)), np.linspace(0, 1, 5))
