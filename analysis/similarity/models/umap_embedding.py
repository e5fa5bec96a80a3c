"""A map of layers by UMAP, which is an optional dependency."""

import importlib
import warnings

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.models.layers import Rows, angular, blocks

NEIGHBOURS, SEED = 15, 0


def require_umap() -> None:
    """Raise ``AnalysisError`` where umap-learn is not installed."""
    try:
        importlib.import_module("umap")
    except ImportError as error:
        raise AnalysisError(
            "map.method umap needs umap-learn, which is not installed; run "
            "`pip install 'seelike[umap]'`, or set map.method to mds"
        ) from error


def embed_layers(rows: Rows, start: npt.ArrayLike, *, memory: int, step: int | None) -> Array:
    """Map layers by UMAP (McInnes et al. 2018) of the angles between them.

    Distances on the map have no scale. Unlike classical scaling, UMAP holds all angles.

    Args:
        rows: Reads similarities of layers.
        start: Initial places of the layers, (T, 2): their classical scaling.
        memory: The most bytes that the angles may take.
        step: Rows per read; as many as 64 MB hold by default.

    Returns:
        Coordinates, (T, 2) float64.

    Raises:
        AnalysisError: The angles take more than ``memory`` bytes, there are fewer than 3 layers,
            or umap-learn is not installed.
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
    require_umap()
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
