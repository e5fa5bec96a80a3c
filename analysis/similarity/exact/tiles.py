"""Tiles of the Gram matrices of all taps.

A tile consists of cells: arrays (T, images of i, images of j) of kernel entries for blocks i <= j.
"""

import numpy as np

from seelike.analysis.similarity.exact.image_blocks import Float32, Images, Layout
from seelike.analysis.similarity.exact.kernels import Kernel

Cells = dict[tuple[int, int], Float32]


def panels(rows: range, size: int) -> list[range]:
    """Cut ``rows`` into panels of ``size`` blocks, each in memory at once."""
    return [range(i, min(i + size, rows.stop)) for i in range(rows.start, rows.stop, size)]


def cell_count(of: Layout, rows: range, columns: range) -> int:
    """Count the kernel entries of one tap in a tile."""
    sizes = [stop - start for start, stop in of.blocks]
    return sum(sizes[i] * sizes[j] for i in rows for j in columns if i <= j)


def cells_of(of: Layout, rows: range, columns: range, buffer: Float32, taps: int) -> Cells:
    """Make the arrays (T, images of i, images of j) of a tile as views of ``buffer``."""
    sizes, start, cells = [stop - begin for begin, stop in of.blocks], 0, {}
    for i, j in ((i, j) for i in rows for j in columns if i <= j):
        stop = start + taps * sizes[i] * sizes[j]
        cells[i, j] = buffer[start:stop].reshape(taps, sizes[i], sizes[j])
        start = stop
    return cells


def fill(
    images: Images, kernel: Kernel, cells: Cells, tap: int, panel: range, columns: range
) -> None:
    """Fill the cells of ``tap`` between the blocks ``panel`` and ``columns`` with entries."""
    held = {i: images.block(tap, i) for i in panel}
    for j in columns:
        if j >= panel.start:
            column = held[j] if j in held else images.block(tap, j)
            _fill_column(images.layout, kernel, cells, tap, held, j, column)
            # Not to be held while the next one is read.
            del column


def _fill_column(
    of: Layout,
    kernel: Kernel,
    cells: Cells,
    tap: int,
    held: dict[int, Float32],
    j: int,
    column: Float32,
) -> None:
    for i, row in held.items():
        if i <= j:
            np.matmul(row, column.T, out=cells[i, j])
            kernel.apply(cells[i, j], tap, of.images_of(i), of.images_of(j))
            if i == j:
                np.fill_diagonal(cells[i, j], 0.0)
