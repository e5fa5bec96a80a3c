"""Orthogonal Procrustes against SciPy, and the angular distance as a metric."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.measures import angular_distance, similarity


def reference(x: np.ndarray, y: np.ndarray) -> float:
    """The cosine after the best rotation that SciPy finds, the smaller tap padded with zeros."""
    width = max(x.shape[1], y.shape[1])
    a, b = (
        np.pad(side - side.mean(axis=0), ((0, 0), (0, width - side.shape[1]))) for side in (x, y)
    )
    turn, _ = orthogonal_procrustes(a, b)
    return float(np.sum((a @ turn) * b) / np.linalg.norm(a) / np.linalg.norm(b))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(4, 30), st.sampled_from([1, 3, 40]), st.sampled_from([2, 50])
)
def test_is_the_cosine_after_the_best_rotation(seed: int, n: int, p: int, q: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * np.geomspace(1, 0.01, p) + 3
    y = rng.normal(size=(n, q)) + x[:, :1]
    assert similarity(x, y, measure="procrustes") == pytest.approx(reference(x, y), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 2))
def test_the_angular_distance_is_a_metric(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(12, 5))
    y = x + noise * rng.normal(size=(12, 5))
    z = y @ rng.normal(size=(5, 3)) + noise * rng.normal(size=(12, 3))
    xy, yz, xz = (
        angular_distance(similarity(a, b, measure="procrustes"))
        for a, b in ((x, y), (y, z), (x, z))
    )
    assert xz <= xy + yz + 1e-9
    assert 0 < xy <= np.pi / 2
    assert angular_distance(similarity(x, x @ -np.eye(5), measure="procrustes")) < 1e-6


def test_angular_distances_of_what_is_no_cosine_are_an_error() -> None:
    np.testing.assert_allclose(angular_distance([1 + 1e-15, 0.5, 0]), [0, np.pi / 3, np.pi / 2])
    for wrong in (1.1, -2.0, np.nan):
        with pytest.raises(AnalysisError, match=f"similarity {wrong} is not a cosine"):
            angular_distance([0.5, wrong])
