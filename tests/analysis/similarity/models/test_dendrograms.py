"""Average linkage against the definition, written out; leaves as alike as neighbours can be."""

import numpy as np
import pytest

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.models.dendrograms import cluster_models, model_distances


def average_linkage(d: np.ndarray) -> list[float]:
    """Heights of all merges, each the mean distance of the members of two clusters."""
    clusters, heights = [[i] for i in range(len(d))], []
    while len(clusters) > 1:
        mean, a, b = min(
            (float(np.mean([d[i, j] for i in x for j in y])), p, q)
            for p, x in enumerate(clusters)
            for q, y in enumerate(clusters)
            if p < q
        )
        heights.append(mean)
        clusters[a] += clusters.pop(b)
    return heights


def similarity(seed: int, count: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(count, 4))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


def test_merges_are_those_of_average_linkage() -> None:
    found = cluster_models(similarity(0, 9))
    np.testing.assert_allclose(
        found.merges[:, 2], average_linkage(model_distances(similarity(0, 9)))
    )
    assert sorted(found.order) == list(range(9))
    assert found.cophenetic is not None
    assert 0 < found.cophenetic <= 1


def test_models_that_belong_together_stand_together() -> None:
    kind = np.array([0, 1, 2, 0, 1, 2, 0])
    found = cluster_models(np.where(kind[:, None] == kind, 0.9, 0.1) + 0.1 * np.eye(7))
    assert np.count_nonzero(np.diff(kind[found.order])) == 2
    assert found.cophenetic == pytest.approx(1)


def test_one_model_is_refused_and_equal_ones_are_not() -> None:
    with pytest.raises(AnalysisError, match="1 models, a dendrogram takes 2 or more"):
        cluster_models(np.ones((1, 1)))
    found = cluster_models(np.ones((3, 3)))
    assert (found.merges[:, 2] == 0).all()
    assert found.cophenetic is None
