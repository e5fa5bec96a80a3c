"""A map that keeps neighbours together, by UMAP, which is an extra."""

import importlib
import warnings

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.models.layers import Rows, angular, blocks

NEIGHBOURS, SEED = 15, 0


def require() -> None:
    """Raise ``AnalysisError`` where umap-learn is not installed."""
    try:
        importlib.import_module("umap")
    except ImportError as error:
        raise AnalysisError(
            "map.method umap needs umap-learn, which is not installed; run "
            "`pip install 'seelike[umap]'`, or set map.method to mds"
        ) from error


def neighbour_map(rows: Rows, start: npt.ArrayLike, *, memory: int, step: int | None) -> Array:
    """Coordinates (T, 2) of T layers by UMAP (McInnes et al. 2018) on the angles between them.

    ``start`` (T, 2) is where layers begin: their classical scaling, so that what it shows of the
    whole stays. Distances on the map have no scale. Unlike classical scaling it holds all
    angles: raises ``AnalysisError`` where they take more than ``memory`` bytes, for fewer than
    3 layers, and as ``require``.
    """
    places = np.asarray(start, np.float64)
    count = len(places)
    if 4 * count**2 > memory:
        raise AnalysisError(
            f"UMAP of {count} layers holds {4 * count**2 / 1e9:.1f} GB, compute.memory is "
            f"{memory / 1e9:.1f} GB; raise it, or set map.method to mds"
        )
    if count < 3:
        raise AnalysisError(f"{count} layers, UMAP takes 3 or more")
    require()
    distances = np.empty((count, count), np.float32)
    for first, block in blocks(rows, count, step=step):
        distances[first : first + len(block)] = angular(block)
    np.fill_diagonal(distances, 0)
    umap = importlib.import_module("umap")
    with warnings.catch_warnings():
        # It says that a seed leaves one thread, and that precomputed distances can't be inverted.
        warnings.simplefilter("ignore")
        made = umap.UMAP(
            n_neighbors=min(NEIGHBOURS, count - 1),
            metric="precomputed",
            init=10 * places / np.abs(places).max(),
            random_state=SEED,
        ).fit_transform(distances)
    return np.asarray(made, np.float64)
