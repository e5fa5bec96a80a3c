"""Hierarchical clustering of models by the angles between them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.models.layers import angular


@dataclass(frozen=True)
class Dendrogram:
    """A clustering of M models.

    Attributes:
        merges: SciPy's linkage matrix, (M - 1, 4) float64.
        order: Order of the leaves, (M,) int.
        cophenetic: Correlation of the distances with the heights at which pairs meet; None where
            all are the same.
    """

    merges: Array
    order: npt.NDArray[np.intp]
    cophenetic: float | None


def cluster_models(similarity: npt.ArrayLike) -> Dendrogram:
    """Cluster models by average linkage (UPGMA) of the angles between them.

    Leaves come in the optimal order of Bar-Joseph, Gifford and Jaakkola (2001).

    Args:
        similarity: Similarities of the models, (M, M).

    Returns:
        The dendrogram.

    Raises:
        AnalysisError: There are fewer than 2 models.
    """
    values = np.asarray(similarity, np.float64)
    if len(values) < 2:
        raise AnalysisError(f"{len(values)} models, a dendrogram takes 2 or more")
    distances = squareform(model_distances(values))
    merges = hierarchy.linkage(distances, "average", optimal_ordering=True)
    heights = hierarchy.cophenet(merges)
    varies = min(np.ptp(distances), np.ptp(heights)) > 0
    return Dendrogram(
        merges,
        np.asarray(hierarchy.leaves_list(merges), np.intp),
        float(np.corrcoef(distances, heights)[0, 1]) if varies else None,
    )


def model_distances(similarity: npt.ArrayLike) -> Array:
    """Angles between models in radians, (M, M): symmetric, 0 on the diagonal."""
    angles = angular(similarity)
    angles = (angles + angles.T) / 2
    np.fill_diagonal(angles, 0.0)
    return angles


def cut_tree(merges: npt.ArrayLike, count: int) -> list[int]:
    """Cut the tree into at most ``count`` clusters; the cluster of each leaf, (M,)."""
    found = hierarchy.fcluster(np.asarray(merges, np.float64), count, "maxclust")
    return [int(one) for one in found]
