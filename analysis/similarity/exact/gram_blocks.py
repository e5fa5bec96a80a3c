"""Exact sums by Gram blocks: few images, any features, any kernel.

A tile holds the Gram entries of all taps between two sets of consecutive blocks of images: one
float32 array (T, images of i, images of j) for each pair of blocks i <= j. Each array times its own
transpose adds to the products of all pairs of taps. Every tile reads its images again, so larger
tiles read less.
"""

from collections.abc import Sequence
from functools import partial
from math import ceil

import numpy as np

from seelike.analysis.similarity.cka import RBF_WIDTH, DegenerateTaps
from seelike.analysis.similarity.exact.image_blocks import (
    Images,
    Layout,
    Plan,
    Read,
    Run,
    Sums,
    centred_images,
    cheapest_plan,
)
from seelike.analysis.similarity.exact.kernels import Distances, Gaussian, Kernel, Linear
from seelike.analysis.similarity.exact.shuffles import Shuffles, add_shuffled
from seelike.analysis.similarity.exact.tiles import Cells, cell_count, cells_of, fill, panels
from seelike.analysis.similarity.gram import Array

# Images whose distances give the RBF kernel its width: the first ones. The order of an image
# set is a seeded shuffle, so they are a random sample.
MEDIAN_IMAGES = 2048
# Squared distance, as a share of the squared distance to the mean image, that is rounding.
ROUNDING = 1e-5
# Rows of the T x T products that one step makes.
STRIPE = 64
# Centring a kernel entry and adding it to its row's sum takes as long as so many multiply-adds.
MULTIPLY_ADDS_AN_ENTRY = 64
# Sides of tiles that are tried: the images cut in up to this many.
CUTS = 64
NONE = Shuffles()


def plan(
    of: Layout,
    *,
    kernel: str = "linear",
    width: float = RBF_WIDTH,
    memory: int = 4 * 10**9,
    shuffles: Shuffles = NONE,
) -> Plan:
    """Make the least costly plan by Gram blocks that fits the memory, or the smallest plan.

    Peak in bytes: ``Layout.held_bytes``; 4 T (s b)² for a tile of s blocks per side of at most b
    images (about half of it where one tile holds all); per worker 4 p b (h + 2), for h blocks of a
    tap of p features in memory and another being read; with an RBF kernel 20 (m + b)² per worker, m
    images for the median. Multiply-adds: (P + 64 T) n (n + b) / 2 + T² n² / 4 for P features in
    all. Bytes read: 4 n P in each of two passes before; then 4 P b for every block in a tile's
    rows, and in its columns once per h blocks of rows. ``Shuffles`` states what permutations add.

    Args:
        of: Layout of taps and images.
        kernel: 'linear' or 'rbf'.
        width: Width of the RBF kernel as a multiple of the median distance between images.
        memory: Bytes that may be used.
        shuffles: Permutations for a null.
    """
    count = len(of.blocks)
    of_kernel = partial(_plan, of, kernel=kernel, width=width, memory=memory, shuffles=shuffles)
    plans = [
        of_kernel(side=side, workers=workers)
        for side in sorted({ceil(count / cuts) for cuts in (*range(1, CUTS + 1), count)})
        for workers in range(1, of.workers + 1)
    ]
    return cheapest_plan(plans, memory=memory)


def _plan(
    of: Layout,
    *,
    side: int,
    workers: int,
    kernel: str,
    width: float,
    memory: int,
    shuffles: Shuffles,
) -> Plan:
    taps, count, n, b = len(of.features), len(of.blocks), of.images, of.largest
    features = np.array(of.features)
    cells = side * (side + 1) // 2 if side >= count else side**2
    fixed = of.held_bytes(workers=workers) + 4 * taps * cells * b**2
    fixed += shuffles.held_bytes(of, workers=workers)
    if kernel == "rbf":
        fixed += workers * 20 * (min(n, MEDIAN_IMAGES) + b) ** 2
    held = np.clip((memory - fixed) // workers // (4 * features * b) - 2, 1, side)
    sizes, which = np.unique(held, return_inverse=True)
    blocks = np.array([_blocks_read(count, side, panel) for panel in sizes.tolist()])[which]
    return Plan(
        way=f"Gram blocks, {ceil(count / side)} x {ceil(count / side)} tiles",
        peak=fixed + workers * int((4 * features * b * (held + 2)).max()),
        workers=workers,
        multiply_adds=(int(features.sum()) + MULTIPLY_ADDS_AN_ENTRY * taps) * n * (n + b) / 2
        + taps**2 * n**2 / 4
        + shuffles.multiply_adds(of),
        bytes_read=4.0 * (2 * n * int(features.sum()) + b * int(features @ blocks)),
        sums=partial(_sums, of, side, held.tolist(), kernel, width, shuffles, workers),
    )


def _blocks_read(count: int, side: int, panel: int) -> int:
    """Blocks of a tap that all tiles read, ``panel`` of them held; all tiles taken as full."""
    tiles = ceil(count / side)
    diagonal = sum(side - start for start in range(0, side, panel))
    return tiles * diagonal + tiles * (tiles - 1) // 2 * (side + ceil(side / panel) * side)


def _sums(
    of: Layout,
    side: int,
    held: Sequence[int],
    kernel: str,
    width: float,
    shuffles: Shuffles,
    workers: int,
    read: Read,
    run: Run,
) -> Sums:
    """The sums over all images, tile by tile, with ``held`` blocks of each tap at once."""
    taps = len(of.features)
    images = centred_images(read, run, of)
    energies = np.stack(run([partial(images.energies, tap) for tap in range(taps)]))
    images.check_varying(energies)
    entries: Kernel = Linear(energies)
    if kernel == "rbf":
        entries = _gaussian(images, run, energies, held, width)
    sums = Sums(
        layout=of,
        diagonal=entries.diagonal,
        rows=np.zeros((taps, of.group_count, of.images)),
        products=np.zeros((taps, taps)),
        lost=np.zeros((of.group_count, taps, taps)),
        shuffled=np.zeros((shuffles.count, taps, taps), np.float32),
    )
    # Shares of whole permutations: no two steps add to the same products.
    shares = [range(first, shuffles.count, workers) for first in range(workers)]
    sides = [range(i, min(i + side, len(of.blocks))) for i in range(0, len(of.blocks), side)]
    tiles = [(rows, columns) for rows in sides for columns in sides if rows.start <= columns.start]
    buffer = np.empty(max(cell_count(of, *tile) for tile in tiles) * taps, np.float32)
    for rows, columns in tiles:
        cells = cells_of(of, rows, columns, buffer, taps)
        steps = [(tap, panel) for tap in range(taps) for panel in panels(rows, held[tap])]
        # The longest steps first: they should not be what the others wait for.
        steps.sort(key=lambda step: -of.features[step[0]] * len(step[1]))
        own = [{pair: cell[tap] for pair, cell in cells.items()} for tap in range(taps)]
        run([partial(fill, images, entries, own[tap], tap, p, columns) for tap, p in steps])
        adding = [partial(_add_products, sums, cells, i) for i in range(0, taps, STRIPE)]
        run([*adding, *(partial(_add_rows, sums, own[tap], tap) for tap in range(taps))])
        if shuffles.count:
            run([partial(add_shuffled, sums.shuffled, cells, of, shuffles, n) for n in shares])
    for product in (sums.products, *sums.lost):
        product[:] = np.triu(product) + np.triu(product, 1).T
    return sums


def _add_products(sums: Sums, cells: Cells, start: int) -> None:
    """Inner products of ``STRIPE`` taps from ``start`` on with all taps from there on."""
    stripe, rest = slice(start, start + STRIPE), slice(start, None)
    for (i, j), cell in cells.items():
        entries = cell.reshape(len(cell), -1)[rest]
        # Of a pair of images both orders count, and cells hold one of them unless i is j.
        products = (1 + (i != j)) * (entries[:STRIPE] @ entries.T).astype(np.float64)
        sums.products[stripe, rest] += products
        for group in {sums.layout.groups[i], sums.layout.groups[j]}:
            sums.lost[group, stripe, rest] += products


def _add_rows(sums: Sums, cells: Cells, tap: int) -> None:
    """Sums of the kernel of ``tap`` over the images of each block, into those of their group."""
    of, rows = sums.layout, sums.rows[tap]
    for (i, j), cell in cells.items():
        rows[of.groups[j], of.images_of(i)] += cell.sum(axis=1, dtype=np.float64)
        if i != j:
            rows[of.groups[i], of.images_of(j)] += cell.sum(axis=0, dtype=np.float64)


def _gaussian(
    images: Images, run: Run, energies: Array, held: Sequence[int], width: float
) -> Gaussian:
    """The RBF kernel, its width a multiple of each tap's median distance."""
    distances = Distances(energies)
    found = run(
        [
            partial(_median_and_level, images, distances, tap, size, width)
            for tap, size in enumerate(held)
        ]
    )
    medians, levels = (np.array(column) for column in zip(*found, strict=True))
    if not medians.all():
        raise DegenerateTaps([int(tap) for tap in np.flatnonzero(medians == 0)])
    return Gaussian(distances, 1 / (2 * width**2 * medians), levels)


def _median_and_level(
    images: Images, distances: Distances, tap: int, held: int, width: float
) -> tuple[float, float]:
    """Median squared distance of the first images, and the mean of their kernel.

    The median is that of all pairs, those of an image with itself included, as in ``rbf_gram``.
    """
    of, count = images.layout, min(images.layout.images, MEDIAN_IMAGES)
    blocks = range(sum(start < count for start, _ in of.blocks))
    buffer = np.empty(cell_count(of, blocks, blocks), np.float32)
    cells = {pair: cell[0] for pair, cell in cells_of(of, blocks, blocks, buffer, 1).items()}
    for panel in panels(blocks, held):
        fill(images, distances, cells, tap, panel, blocks)
    squared = np.empty((of.blocks[blocks[-1]][1],) * 2, np.float32)
    for (i, j), cell in cells.items():
        squared[of.images_of(i), of.images_of(j)] = cell
        squared[of.images_of(j), of.images_of(i)] = cell.T
    median = float(np.median(squared[:count, :count]))
    if median <= ROUNDING * np.median(distances.energies[tap, :count]):
        return 0.0, 0.0
    squared *= np.float32(-1 / (2 * width**2 * median))
    return median, float(np.exp(squared, out=squared).mean(dtype=np.float64))
