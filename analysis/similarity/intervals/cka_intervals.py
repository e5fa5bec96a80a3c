"""Intervals of CKA over batches: of every cell of a matrix, and of numbers made of cells."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.cka import ROUNDING, cka_from_hsic, clipped_interval, hsic_ratio
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.intervals.groups import Groups
from seelike.analysis.similarity.intervals.jackknife import (
    LEAST_FREEDOM,
    Jackknifed,
    half_width,
    standard_error,
)

# Float64 numbers that one block of rows may hold.
HELD = 2**25

Bounds = tuple[Array, Array]


def cell_interval(
    parts: npt.ArrayLike, *, images: npt.ArrayLike | None = None, rounding: float = ROUNDING
) -> Bounds | None:
    """Compute the 95 % jackknife interval of every cell of minibatch CKA.

    Memory: 256 MB beside ``parts``.

    Args:
        parts: HSICs of the batches, of any scale common to a layer, (B, T, T).
        images: Images per batch, (B,); the same for all where left out.
        rounding: As for ``cka_from_hsic``.

    Returns:
        The bounds (low, high), each (T, T) in [-1, 1]. A layer that varies in one batch alone has
        that whole interval. None where there is a single batch, or one is nearly all there is.
    """
    hsic = np.asarray(parts, np.float64)
    groups = batch_groups(len(hsic), images)
    if groups is None:
        return None
    taps = hsic.shape[1]
    own = np.diagonal(hsic, axis1=1, axis2=2)
    left = own.sum(axis=0) - own
    alone = (left <= 0).any(axis=0)
    scale = np.sqrt(np.where(left > 0, left, 1.0))
    value = cka_from_hsic(hsic, rounding=rounding)
    low, high = np.empty((taps, taps)), np.empty((taps, taps))
    for block in _blocks(taps, len(hsic) * taps):
        without = (hsic[:, block].sum(axis=0) - hsic[:, block]) / (
            scale[:, block, None] * scale[:, None, :]
        )
        reach = half_width(*standard_error(without, groups))
        reach[alone[block]] = reach[:, alone] = 2.0
        low[block], high[block] = clipped_interval(value[block], reach)
    for bound in (low, high):
        np.fill_diagonal(bound, 1.0)
    return low, high


def mean_interval(values: npt.ArrayLike, *, images: npt.ArrayLike | None = None) -> Bounds | None:
    """Compute the 95 % jackknife interval of the mean over batches of ``values`` (B, T, T).

    ``images`` and the result as for ``cell_interval``, but not cut to [-1, 1].
    """
    measured = np.asarray(values, np.float64)
    groups = batch_groups(len(measured), images)
    if groups is None:
        return None
    mean = measured.mean(axis=0)
    low, high = np.empty(mean.shape), np.empty(mean.shape)
    for block in _blocks(len(mean), len(measured) * mean.shape[1]):
        own = measured[:, block]
        without = (own.sum(axis=0) - own) / (len(measured) - 1)
        reach = half_width(*standard_error(without, groups))
        low[block], high[block] = mean[block] - reach, mean[block] + reach
    return low, high


def jackknifed_cka(
    parts: npt.ArrayLike,
    number: Callable[[Array], float],
    *,
    images: npt.ArrayLike | None = None,
) -> Jackknifed:
    """Jackknife a number of the CKA matrix over batches.

    Args:
        parts: HSICs of the batches, of any scale common to a layer, (B, T, T).
        number: Maps the CKA matrix (T, T) to a number.
        images: Images per batch, (B,); the same for all where left out.

    Returns:
        The number with and without each batch; without groups where a layer varies in one batch
        alone.

    Raises:
        DegenerateTaps: A layer varies in no batch.
    """
    hsic = np.asarray(parts, np.float64)
    total = hsic.sum(axis=0)
    value = np.array([number(cka_from_hsic(total[None]))])
    groups = batch_groups(len(hsic), images)
    if groups is None:
        return Jackknifed(value)
    own = np.diagonal(hsic, axis1=1, axis2=2)
    if (own.sum(axis=0) - own <= 0).any():
        return Jackknifed(value)
    left = [number(hsic_ratio((total - batch)[None])) for batch in hsic]
    return Jackknifed(value, np.array(left)[:, None], groups)


def batch_groups(batches: int, images: npt.ArrayLike | None) -> Groups | None:
    """The batches as jackknife groups; None where they give no interval."""
    groups = Groups.alike(np.ones(batches) if images is None else images)
    return groups if batches > 1 and groups.freedom(0) >= LEAST_FREEDOM else None


def _blocks(rows: int, each: int) -> list[slice]:
    step = max(1, HELD // each)
    return [slice(start, start + step) for start in range(0, rows, step)]
