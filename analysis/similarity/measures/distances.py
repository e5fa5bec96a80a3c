"""Distances between images by the angle of their features, with their rounding error."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import CONSTANT, Array
from seelike.analysis.similarity.measures.features import Features, blocks, flatten
from seelike.analysis.similarity.measures.measure import Undefined

# Rounding of a float64 product of many terms, as a share of the energies that it cancels.
ROUNDING = 2.0**-42
# Rounding of the unit features themselves, squared.
SMALLEST = 2.0**-100


class Distances(NamedTuple):
    """Distances 1 - cosine of every two images, (n, n), and their rounding error, (n, n).

    Both are zero everywhere where the images do not differ.
    """

    values: Array
    rounding: Array


def cosine_distances(x: npt.ArrayLike) -> Distances:
    """Compute 1 - cosine of the uncentred features of every two images.

    Args:
        x: Activations, (n, ...).

    Raises:
        Undefined: An image is zero at all features, or there is a single feature.
        AnalysisError: As for ``flatten``.
    """
    flat = flatten(x)
    if flat.shape[1] < 2:
        raise Undefined(
            "cosines between images need at least 2 features, the tap has 1: use another "
            "measure or another reduction"
        )
    if _alike(flat):
        return _no_distances(len(flat))
    nothing = np.zeros(len(flat))
    lengths = np.sqrt(_energies(flat, nothing))
    if not lengths.all():
        raise Undefined(
            f"image {int(np.argmin(lengths))} is zero at all {flat.shape[1]} features, so it has "
            "no cosine with others: leave the image out, or use another measure"
        )
    return _distances(flat, nothing, lengths)


def correlation_distances(x: npt.ArrayLike) -> Distances:
    """Compute 1 - Pearson correlation over the features of every two images.

    Args:
        x: Activations, (n, ...).

    Raises:
        Undefined: The features of an image are all equal, or there are fewer than 3 features, whose
            correlations can only be 1 and -1.
        AnalysisError: As for ``flatten``.
    """
    flat = flatten(x)
    if flat.shape[1] < 3:
        raise Undefined(
            f"correlations between images need at least 3 features, the tap has {flat.shape[1]}: "
            "use another measure or another reduction"
        )
    if _alike(flat):
        return _no_distances(len(flat))
    means = sum((b.sum(axis=1) for b in blocks(flat)), np.zeros(len(flat))) / flat.shape[1]
    energies = _energies(flat, means)
    flattest = energies <= CONSTANT * _energies(flat, np.zeros(len(flat)))
    if flattest.any():
        raise Undefined(
            f"image {int(np.argmax(flattest))} is the same at all {flat.shape[1]} features, so it "
            "has no correlation with others: leave the image out, or use another measure"
        )
    return _distances(flat, means, np.sqrt(energies))


def _alike(flat: Features) -> bool:
    """Whether all images have the same features."""
    return bool((flat == flat[0]).all())


def _no_distances(images: int) -> Distances:
    return Distances(np.zeros((images, images)), np.zeros((images, images)))


def _energies(flat: Features, offsets: Array) -> Array:
    """The squared length (n,) of every image's features, less its offset."""
    energies = np.zeros(len(flat))
    for block in blocks(flat):
        block -= offsets[:, None]
        energies += np.einsum("ij,ij->i", block, block)
    return energies


def _distances(flat: Features, offsets: Array, lengths: Array) -> Distances:
    """1 - inner products of ``(flat - offsets) / lengths``, as half their squared distances.

    The mean image is taken out first: it drops out of distances, and it would take the digits
    of those between images that are nearly alike.
    """
    n = len(flat)
    product = np.zeros((n, n))
    for block in blocks(flat):
        directions = (block - offsets[:, None]) / lengths[:, None]
        directions -= directions.mean(axis=0)
        product += directions @ directions.T
    if np.trace(product) <= CONSTANT * n:
        return _no_distances(n)
    energies = np.diag(product) + np.diag(product)[:, None]
    return Distances(
        np.maximum(energies / 2 - product, 0.0), np.maximum(ROUNDING * energies, SMALLEST)
    )
