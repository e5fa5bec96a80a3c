"""Signatures: vectors of a batch of images whose inner products are unbiased HSICs."""

from functools import cache

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import Array, gram, u_centre

Float32 = npt.NDArray[np.float32]


def signature(x: npt.ArrayLike) -> Array:
    """Compute the signature of one layer on a batch of images.

    The packed upper triangle of the U-centred Gram matrix, scaled by sqrt(2 / (n (n - 3))), so
    that ``signature(x) @ signature(y)`` is HSIC_1(x, y) of Song et al. (2012), eq. 5, by the
    identity of Székely & Rizzo (2014).

    Args:
        x: Activations, (n, ...) with n >= 4 images.

    Returns:
        The signature, (n (n - 1) / 2,) float64.

    Raises:
        NonFinite: An activation is NaN or infinite.
        AnalysisError: There are fewer than 4 images, or no features.

    Examples:
        >>> import numpy as np
        >>> from seelike.analysis.similarity import signature
        >>> signature(np.random.default_rng(0).normal(size=(32, 8))).shape
        (496,)
    """
    return packed(gram(x))


def packed(kernel: Array) -> Array:
    """The signature of a kernel matrix (n, n), n >= 4: (n (n - 1) / 2,) float64."""
    n = len(kernel)
    upper = u_centre(kernel).reshape(-1)[upper_triangle(n)]
    return np.asarray(upper * np.sqrt(2 / (n * (n - 3))))


@cache
def upper_triangle(n: int) -> npt.NDArray[np.intp]:
    """Places of the image pairs in a flattened (n, n) matrix, in ``np.triu_indices`` order."""
    return np.flatnonzero(np.triu(np.ones((n, n), bool), k=1))


def unit(vector: Array) -> tuple[Float32, float]:
    """Split ``vector`` into a float32 unit vector and its length, at any scale.

    A zero vector gives zeros and 0.0.
    """
    largest = float(np.abs(vector).max())
    if largest == 0.0:
        return np.zeros(len(vector), np.float32), 0.0
    scaled = vector / largest
    length = float(np.linalg.norm(scaled))
    return (scaled / length).astype(np.float32), length * largest


def batch_cosines(directions: Float32, *, out: Float32 | None = None) -> Float32:
    """Compute the cosines of all signatures of one batch by one symmetric product.

    Args:
        directions: Unit signatures, (T, pairs) float32.
        out: Written to where given, (T, T) float32.

    Returns:
        Cosines, (T, T) float32.
    """
    return np.matmul(directions, directions.T, out=out)
