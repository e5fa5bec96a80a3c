"""Mutual nearest neighbours."""

from functools import partial

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.image_pairs import SQUARE
from seelike.analysis.similarity.measures.distances import cosine_distances
from seelike.analysis.similarity.measures.measure import PairMeasure, TooFewImages, Undefined

NEIGHBOURS = 10


def mutual_knn(neighbours: int = NEIGHBOURS) -> PairMeasure:
    """Make mutual nearest neighbours: the share of nearest images that two taps have in common.

    Mean over the images of |kNN_x(i) ∩ kNN_y(i)| / k, neighbours by the cosine of the uncentred
    features, an image not its own neighbour (Huh et al. 2024, and their code). Independent taps
    give k / (n - 1). Invariant to orthogonal maps and to scale, even one per image; not to shift.

    Args:
        neighbours: Number of neighbours k.

    Raises:
        AnalysisError: ``neighbours`` is below 1.
    """
    if neighbours < 1:
        raise AnalysisError(f"{neighbours} neighbours, expected 1 or more")
    return PairMeasure(
        name="mutual_knn",
        title=f"mutual {neighbours} nearest neighbours",
        source="Huh, Cheung, Wang & Isola (2024)",
        vector=partial(neighbour_graph, neighbours=neighbours),
        weighted=False,
        pairs=SQUARE,
        undefined="the neighbours of an image are not determined (two images are equally near "
        "where they end, an image is zero at all features, the tap has 1 feature or does not "
        "vary); take duplicated images out, or use another measure or another reduction",
    )


def neighbour_graph(x: npt.ArrayLike, *, neighbours: int = NEIGHBOURS) -> Array:
    """Compute the vector of mutual nearest neighbours.

    Args:
        x: Activations, (n, ...).
        neighbours: Number of neighbours k.

    Returns:
        The adjacency matrix of nearest neighbours, row by row, of unit length, (n²,) float64.

    Raises:
        TooFewImages: There are too few images to choose neighbours from.
        Undefined: The last neighbour of an image and the next are equally near.
        AnalysisError: As for ``cosine_distances``.
    """
    distances, rounding = cosine_distances(x)
    n = len(distances)
    if n < neighbours + 2:
        raise TooFewImages(
            f"{n} images: the {neighbours} nearest neighbours of an image would be all others, "
            f"and every two taps alike; take at least {neighbours + 2} images per batch"
        )
    graph = np.zeros((n, n))
    if not distances.any():
        return graph.reshape(-1)
    np.fill_diagonal(distances, np.inf)
    order = np.argpartition(distances, (neighbours - 1, neighbours), axis=1)
    last, following = (np.arange(n), order[:, neighbours - 1]), (np.arange(n), order[:, neighbours])
    gaps = distances[following] - distances[last]
    tied = gaps <= np.maximum(rounding[following], rounding[last])
    if tied.any():
        raise Undefined(
            f"image {int(np.argmax(tied))} has two images equally near where its {neighbours} "
            f"neighbours end ({int(tied.sum())} of {n} images have): take duplicated images out, "
            "or use another measure"
        )
    np.put_along_axis(graph, order[:, :neighbours], 1 / np.sqrt(n * neighbours), axis=1)
    return graph.reshape(-1)
