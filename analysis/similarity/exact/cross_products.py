"""Exact sums by feature cross-products: few features, any number of images, linear kernel.

For centred images x_i and y_i of two taps, sum_ij k_ij l_ij = ||XᵀY||², and a group of images adds
x_i · (sum of the group's x) to the sum of row i. Without a group, its own product is subtracted
from XᵀY. All of it is float64, since the diagonal is subtracted from ||XᵀY||².
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from seelike.analysis.similarity.exact.image_blocks import (
    Images,
    Layout,
    Plan,
    Read,
    Run,
    Sums,
    centred_images,
    cheapest_plan,
    squares,
)
from seelike.analysis.similarity.gram import Array

# A multiply-add in float64 takes as long as two in float32.
DOUBLE = 2
# Numbers of sets that are tried.
PARTS = 64


def plan(of: Layout, *, memory: int = 4 * 10**9) -> Plan:
    """Make the least costly plan by cross-products that fits the memory, or the smallest plan.

    Taps are joined to sets of at most q features. Peak in bytes: ``Layout.held_bytes``; 8 T² (G +
    1); 8 G q² for the cross-products of two sets in G groups of images; for each worker 8 q² + 16 b
    q + 8 b p + 24 p² + 8 G p, with blocks of at most b images and at most p features per tap.
    Multiply-adds: n P² / 2 for P features in all, counted twice since they are float64. Bytes read:
    4 n P in each of three passes before, then 4 n q for each set of each pair of sets.

    Args:
        of: Layout of taps and images.
        memory: Bytes that may be used.
    """
    most = sum(of.features)
    parts = range(1, min(len(of.features), PARTS) + 1)
    sizes = sorted({max(most // count, max(of.features)) for count in parts})
    plans = [
        _plan(of, _sets(of.features, size), workers=workers)
        for size in sizes
        for workers in range(1, of.workers + 1)
    ]
    return cheapest_plan(plans, memory=memory)


def _sets(features: Sequence[int], size: int) -> list[range]:
    """Join consecutive taps to sets of at most ``size`` features, or of one tap."""
    sets, held = [range(0, 0)], 0
    for tap, count in enumerate(features):
        if held + count > size and len(sets[-1]):
            sets.append(range(tap, tap))
            held = 0
        sets[-1] = range(sets[-1].start, tap + 1)
        held += count
    return sets


def _plan(of: Layout, sets: Sequence[range], *, workers: int) -> Plan:
    n, b, groups, taps = of.images, of.largest, of.group_count, len(of.features)
    widths = [sum(of.features[tap] for tap in own) for own in sets]
    q, p, most = max(widths), max(of.features), sum(widths)
    each = 8 * q**2 + 16 * b * q + 8 * b * p + 24 * p**2 + 8 * groups * p
    held = of.held_bytes(workers=workers) + 8 * taps**2 * (groups + 1)
    return Plan(
        way=f"feature cross-products, {len(sets)} sets of taps",
        peak=held + 8 * groups * q**2 + workers * each,
        workers=workers,
        multiply_adds=DOUBLE * n * most**2 / 2,
        bytes_read=4.0 * n * most * (3 + len(sets)),
        sums=partial(_sums, of, sets),
    )


def _side(images: Images, taps: range, block: int) -> Array:
    """The centred features of ``taps``, one beside the other, float64."""
    start, stop = images.layout.blocks[block]
    spans = _spans(images.layout, taps)
    joined = np.empty((stop - start, spans[taps[-1]].stop))
    for tap, span in spans.items():
        joined[:, span] = images.block(tap, block)
    return joined


def _spans(of: Layout, taps: range) -> dict[int, slice]:
    """Slices of the features of each of ``taps``, one tap beside the other."""
    stops = np.cumsum([of.features[tap] for tap in taps]).tolist()
    return {
        tap: slice(stop - of.features[tap], stop) for tap, stop in zip(taps, stops, strict=True)
    }


def _sums(of: Layout, sets: Sequence[range], read: Read, run: Run) -> Sums:
    """The sums over all images, a pair of sets after the other, a step for each group."""
    taps, groups = len(of.features), range(of.group_count)
    images = centred_images(read, run, of)
    sums = Sums(
        layout=of,
        diagonal=np.empty((taps, of.images)),
        rows=np.empty((taps, len(groups), of.images)),
        products=np.empty((taps, taps)),
        lost=np.empty((len(groups), taps, taps)),
        shuffled=np.empty((0, taps, taps), np.float32),
    )
    run([partial(_add_margins, images, sums, tap) for tap in range(taps)])
    images.check_varying(sums.diagonal)
    norms = np.empty((1 + len(groups), taps, taps))
    widths = [sum(of.features[tap] for tap in own) for own in sets]
    buffer = np.empty(len(groups) * max(widths) ** 2)
    for i, left in enumerate(sets):
        for j, right in enumerate(sets[i:], i):
            shape = (len(groups), widths[i], widths[j])
            crossed = buffer[: np.prod(shape)].reshape(shape)
            run([partial(_add_products, images, crossed, left, right, group) for group in groups])
            run([partial(_add_norms, norms, crossed, of, left, right, tap) for tap in left])
    _take_diagonals_out(sums, norms)
    return sums


def _add_margins(images: Images, sums: Sums, tap: int) -> None:
    """Energies k_ii, and the sums of k_ij over the j != i of every group."""
    of, energies, rows = images.layout, sums.diagonal[tap], sums.rows[tap]
    totals = np.zeros((len(rows), of.features[tap]))
    for block, group in enumerate(of.groups):
        x = images.block(tap, block)
        energies[of.images_of(block)] = squares(x)
        totals[group] += x.sum(axis=0, dtype=np.float64)
    for block, group in enumerate(of.groups):
        own = of.images_of(block)
        rows[:, own] = totals @ images.block(tap, block).T
        rows[group, own] -= energies[own]


def _add_products(images: Images, crossed: Array, left: range, right: range, group: int) -> None:
    """The cross-products (G, q, q') of two sets of taps, over the images of ``group``."""
    crossed[group] = 0.0
    for block in images.layout.blocks_of(group):
        x = _side(images, left, block)
        crossed[group] += x.T @ (x if left == right else _side(images, right, block))


def _add_norms(
    norms: Array, crossed: Array, of: Layout, left: range, right: range, tap: int
) -> None:
    """||XᵀY||² of ``tap`` with all of ``right``, over all images and without each group."""
    rows = _spans(of, left)[tap]
    for other, columns in _spans(of, right).items():
        if other < tap:
            continue
        parts = crossed[:, rows, columns]
        total = parts.sum(axis=0)
        norms[0, tap, other] = np.vdot(total, total)
        for group, part in enumerate(parts, 1):
            remaining = total - part
            norms[group, tap, other] = np.vdot(remaining, remaining)
        norms[:, other, tap] = norms[:, tap, other]


def _take_diagonals_out(sums: Sums, norms: Array) -> None:
    """Subtract the terms i = j from ``norms``, over all images and without each group."""
    sums.products[:] = norms[0] - sums.diagonal @ sums.diagonal.T
    for group, norm in enumerate(norms[1:]):
        kept = np.delete(sums.diagonal, sums.layout.images_of_group(group), axis=1)
        sums.lost[group] = sums.products - (norm - kept @ kept.T)
