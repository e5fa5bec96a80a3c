"""Representational similarity analysis."""

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.measures.distances import correlation_distances
from seelike.analysis.similarity.measures.measure import PairMeasure, Undefined


def ranked_dissimilarities(x: npt.ArrayLike) -> Array:
    """Compute the vector of RSA: centred midranks of the dissimilarities, of unit length.

    The dissimilarity of two images is 1 - Pearson correlation over the features; inner products of
    two such vectors are Spearman's rho, ties included (Kriegeskorte, Mur & Bandettini 2008).
    Dissimilarities that differ by less than their rounding error are tied. Invariant to scale, to a
    number added to all features of an image and to the order of the features; not to rotation, nor
    to a shift that differs between features.

    Args:
        x: Activations, (n, ...).

    Returns:
        The vector, (n (n - 1) / 2,) float64.

    Raises:
        Undefined: All dissimilarities are equal.
        AnalysisError: As for ``correlation_distances``.
    """
    distances, rounding = correlation_distances(x)
    n = len(distances)
    upper = np.triu_indices(n, k=1)
    if not distances.any():
        return np.zeros(len(upper[0]))
    ranks = midranks(distances[upper], rounding=rounding[upper])
    centred = ranks - (len(ranks) - 1) / 2
    if not centred.any():
        raise Undefined(
            f"all {n} images are equally unlike one another, so that there are no ranks for "
            "rsa to compare: use another measure"
        )
    return np.asarray(centred / np.linalg.norm(centred))


def midranks(values: Array, *, rounding: Array) -> Array:
    """Rank values from 0.

    Args:
        values: Values, (m,).
        rounding: Difference below which two neighbours are tied, (m,).

    Returns:
        Ranks, (m,) float64; the mean rank for ties.
    """
    order = np.argsort(values, kind="stable")
    gaps = np.diff(values[order])
    apart = gaps > np.maximum(rounding[order][1:], rounding[order][:-1])
    starts = np.concatenate([[0], np.flatnonzero(apart) + 1])
    ends = np.concatenate([starts[1:], [len(values)]])
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends - 1) / 2, ends - starts)
    return ranks


RSA = PairMeasure(
    name="rsa",
    title="RSA, Spearman's rho of correlation distances",
    source="Kriegeskorte, Mur & Bandettini (2008)",
    vector=ranked_dissimilarities,
    weighted=False,
    undefined="images have no ranks of dissimilarity (an image has the same number at all "
    "features, all images are equally unlike, the tap has fewer than 3 features or does not "
    "vary); use another measure or another reduction",
)
