"""UMAP of layers: refused in words where it can't be, and where it can, neighbours together."""

import sys

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.models.umap_embedding import embed_layers

from .in_memory import rows_of


def test_it_is_refused_without_the_extra_or_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    start = np.random.default_rng(0).normal(size=(40, 2))
    rows = rows_of(np.cos(cdist(start, start)))
    with pytest.raises(AnalysisError, match=r"pip install 'seelike\[umap\]'"):
        embed_layers(rows, start, memory=10**6, step=None)
    with pytest.raises(AnalysisError, match=r"UMAP of 40 layers holds 0\.0 GB, compute\.memory is"):
        embed_layers(rows, start, memory=6399, step=None)
    with pytest.raises(AnalysisError, match="2 layers, UMAP takes 3 or more"):
        embed_layers(rows, start[:2], memory=10**6, step=None)


def test_two_groups_stay_two_groups_and_every_run_is_the_same() -> None:
    pytest.importorskip("umap", reason="the extra umap is not installed")
    group = np.repeat([0, 1], 30)
    points = np.random.default_rng(0).normal(size=(60, 2)) / 20 + group[:, None]
    rows = rows_of(np.cos(cdist(points, points)))
    found = embed_layers(rows, points, memory=10**6, step=7)
    apart = cdist(found, found)
    np.fill_diagonal(apart, np.inf)
    assert (group[apart.argmin(axis=1)] == group).all()
    np.testing.assert_array_equal(embed_layers(rows, points, memory=10**6, step=60), found)
