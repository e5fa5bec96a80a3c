"""Which models are alike: hierarchical clustering of the angles between them."""

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
    """``merges`` (M - 1, 4) as SciPy has them, and the ``order`` (M,) of the leaves.

    ``cophenetic`` is the correlation of the distances with the heights at which pairs meet,
    None where all are the same.
    """

    merges: Array
    order: npt.NDArray[np.intp]
    cophenetic: float | None


def clustered(similarity: npt.ArrayLike) -> Dendrogram:
    """Average linkage (UPGMA) of the angles of ``similarity`` (M, M), leaves in optimal order.

    Bar-Joseph, Gifford and Jaakkola (2001): neighbours are as alike as the tree allows. Raises
    ``AnalysisError`` for fewer than 2 models.
    """
    values = np.asarray(similarity, np.float64)
    if len(values) < 2:
        raise AnalysisError(f"{len(values)} models, a dendrogram takes 2 or more")
    distances = squareform(distances_of(values))
    merges = hierarchy.linkage(distances, "average", optimal_ordering=True)
    heights = hierarchy.cophenet(merges)
    varies = min(np.ptp(distances), np.ptp(heights)) > 0
    return Dendrogram(
        merges,
        np.asarray(hierarchy.leaves_list(merges), np.intp),
        float(np.corrcoef(distances, heights)[0, 1]) if varies else None,
    )


def distances_of(similarity: npt.ArrayLike) -> Array:
    """Angles (M, M) between models, 0 of each with itself, the same both ways."""
    angles = angular(similarity)
    angles = (angles + angles.T) / 2
    np.fill_diagonal(angles, 0.0)
    return angles


def groups(merges: npt.ArrayLike, count: int) -> list[int]:
    """Which of at most ``count`` clusters each leaf (M,) is of, where the tree is cut so high."""
    found = hierarchy.fcluster(np.asarray(merges, np.float64), count, "maxclust")
    return [int(one) for one in found]
