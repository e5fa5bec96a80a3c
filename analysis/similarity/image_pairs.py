"""Index layouts of image pairs, and their permutation when images are shuffled."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt

import numpy as np
import numpy.typing as npt

Order = npt.NDArray[np.integer]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Pairs:
    """A layout of the pairs (i, j) of n images in a vector.

    Attributes:
        length: Maps n to the number of pairs m.
        images: Maps m back to n, the next smaller n where m is no number of pairs.
        places: Maps an order (n,) of the images to the former places (m,) of the pairs, so that
            ``vector(x)[places(order)]`` is ``vector(x[order])``.
    """

    length: Callable[[int], int]
    images: Callable[[int], int]
    places: Callable[[Order], Places]


def _triangle(images: int) -> int:
    return images * (images - 1) // 2


def _triangle_images(length: int) -> int:
    return (1 + isqrt(1 + 8 * length)) // 2


def _triangle_places(order: Order) -> Places:
    rows, columns, table = _table(len(order))
    return np.asarray(table[order[rows], order[columns]])


@lru_cache(maxsize=2)
def _table(images: int) -> tuple[Places, Places, Places]:
    """Rows and columns of the packed pairs, and where each pair stands among them (n, n)."""
    rows, columns = np.triu_indices(images, k=1)
    table = np.zeros((images, images), np.intp)
    table[rows, columns] = table[columns, rows] = np.arange(len(rows))
    return rows, columns, table


def _square(images: int) -> int:
    return images**2


def _square_places(order: Order) -> Places:
    return np.asarray((order[:, None] * len(order) + order).reshape(-1), np.intp)


# Upper triangles by rows, without the diagonal; for what is the same both ways.
TRIANGLE = Pairs(_triangle, _triangle_images, _triangle_places)
# Whole matrices by rows.
SQUARE = Pairs(_square, isqrt, _square_places)
