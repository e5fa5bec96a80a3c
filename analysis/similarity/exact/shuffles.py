"""Exact sums under permutations of the images of one side, tile by tile.

Images are permuted within their blocks, so that a tile of the permuted Gram matrix is a permutation
of the same tile, and no Gram matrix has to be in memory. Under the null all orders are equally
likely, these included.
"""

from dataclasses import dataclass

import numpy as np

from seelike.analysis.similarity.exact.image_blocks import Float32, Layout
from seelike.analysis.similarity.exact.tiles import Cells
from seelike.analysis.similarity.image_pairs import Order, Places
from seelike.analysis.similarity.significance.permutations import (
    GATHERED,
    order_of,
    shuffled_products,
)

# Gathering a kernel entry takes as long as so many multiply-adds.
MULTIPLY_ADDS_A_GATHER = 16


@dataclass(frozen=True)
class Shuffles:
    """Permutations (``count``) of all images, each within the blocks of a layout."""

    count: int = 0
    seed: int = 0

    def of_block(self, of: Layout, number: int, block: int) -> Order:
        """The order of a block's images, counted from its first, in permutation ``number``."""
        start, stop = of.blocks[block]
        return order_of(stop - start, seed=self.seed, permutation=number, batch=block)

    def order(self, of: Layout, number: int) -> Order:
        """The order of all images in permutation ``number``."""
        every = [self.of_block(of, number, b) + start for b, (start, _) in enumerate(of.blocks)]
        return np.concatenate(every)

    def held_bytes(self, of: Layout, *, workers: int) -> int:
        """Bytes beside a plan's own: 8 R T², and for each worker 4 T b² + 24 b² + 8 T² + 1 MB."""
        taps = len(of.features)
        if not self.count:
            return 0
        each = (4 * taps + 24) * of.largest**2 + 8 * taps**2 + 4 * max(GATHERED, 64 * taps)
        return 8 * self.count * taps**2 + workers * each

    def multiply_adds(self, of: Layout) -> float:
        """R (T² + 16 T) n² / 2, gathers counted as such."""
        taps = len(of.features)
        return self.count * (taps**2 + MULTIPLY_ADDS_A_GATHER * taps) * of.images**2 / 2


def add_shuffled(
    total: Float32, cells: Cells, of: Layout, shuffles: Shuffles, numbers: range
) -> None:
    """Add a tile's part of the products under permutations.

    The product is the sum of k_ij l_{pi i, pi j} over all i != j, k of the first tap, l of the
    second.

    Args:
        total: Added to, (R, T, T).
        cells: Kernel entries of the tile.
        of: Layout of taps and images.
        shuffles: The permutations.
        numbers: Numbers of the permutations.
    """
    for (i, j), cell in cells.items():
        entries = cell.reshape(len(cell), -1)
        # Of a pair of images both orders count, and cells hold one of them unless i is j.
        weight = np.float32(1 + (i != j))
        moved = (_places(of, shuffles, number, i, j) for number in numbers)
        for number, product in zip(numbers, shuffled_products(entries, moved), strict=True):
            total[number] += weight * product


def _places(of: Layout, shuffles: Shuffles, number: int, i: int, j: int) -> Places:
    """Places in the cell of the entries of the permuted cell (i, j)."""
    rows, columns = (shuffles.of_block(of, number, block) for block in (i, j))
    return np.asarray((rows[:, None] * len(columns) + columns).reshape(-1), np.intp)
