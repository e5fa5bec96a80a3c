"""Signatures: the vector of a batch whose inner products are unbiased HSICs."""

from functools import cache

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import Array, gram, u_centre

Float32 = npt.NDArray[np.float32]


def signature(x: npt.ArrayLike) -> Array:
    """The signature of activations ``x`` (n, ...): (n (n - 1) / 2,) float64.

    The packed upper triangle of the U-centred Gram, scaled by sqrt(2 / (n (n - 3))), so that
    ``signature(x) @ signature(y)`` is HSIC_1(x, y) of Song et al. (2012), by the identity of
    Székely & Rizzo (2014). Raises as ``gram``.
    """
    return packed(gram(x))


def packed(kernel: Array) -> Array:
    """The signature that belongs to a kernel matrix (n, n), n >= 4."""
    n = len(kernel)
    upper = u_centre(kernel).reshape(-1)[upper_triangle(n)]
    return np.asarray(upper * np.sqrt(2 / (n * (n - 3))))


@cache
def upper_triangle(n: int) -> npt.NDArray[np.intp]:
    """Where pairs of images stand in a flattened (n, n) matrix, in ``np.triu_indices`` order."""
    return np.flatnonzero(np.triu(np.ones((n, n), bool), k=1))


def unit(vector: Array) -> tuple[Float32, float]:
    """``vector`` as a float32 unit vector and its length: digits survive at any scale.

    A zero vector gives zeros and 0.0.
    """
    largest = float(np.abs(vector).max())
    if largest == 0.0:
        return np.zeros(len(vector), np.float32), 0.0
    scaled = vector / largest
    length = float(np.linalg.norm(scaled))
    return (scaled / length).astype(np.float32), length * largest


def batch_cosines(directions: Float32, *, out: Float32 | None = None) -> Float32:
    """Cosines (T, T) of the unit signatures (T, pairs) of one batch, by one symmetric product.

    Written to ``out`` where it is given.
    """
    return np.matmul(directions, directions.T, out=out)
