"""What permuting the images does to the vectors of a pair measure."""

import numpy as np

from analysis.errors import AnalysisError
from analysis.similarity.measures.measure import Permutation, Vectors


def permute_triangle(vectors: Vectors, permutation: Permutation) -> Vectors:
    """``vectors`` (..., n (n - 1) / 2), upper triangles by rows, of the images ``permutation``.

    Raises ``AnalysisError`` where ``permutation`` (n,) is not one, or not of as many images.
    """
    n = len(permutation)
    _check(vectors, permutation, n * (n - 1) // 2)
    rows, columns = np.triu_indices(n, k=1)
    a, b = permutation[rows], permutation[columns]
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.asarray(vectors[..., low * (2 * n - low - 1) // 2 + high - low - 1])


def permute_square(vectors: Vectors, permutation: Permutation) -> Vectors:
    """``vectors`` (..., n²), matrices by rows, of the images ``permutation`` (n,).

    Raises ``AnalysisError`` where ``permutation`` is not one, or not of as many images.
    """
    n = len(permutation)
    _check(vectors, permutation, n * n)
    return np.asarray(vectors[..., (permutation[:, None] * n + permutation).reshape(-1)])


def _check(vectors: Vectors, permutation: Permutation, length: int) -> None:
    n = len(permutation)
    if vectors.shape[-1] != length or not np.array_equal(np.sort(permutation), np.arange(n)):
        raise AnalysisError(
            f"a permutation of {n} images for vectors of length {vectors.shape[-1]}, expected "
            f"every number below {n} once, and length {length}"
        )
