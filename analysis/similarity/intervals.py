"""Bootstrap intervals over batches, for every cell of a CKA matrix and for numbers made of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.similarity.cka import cka_from_hsic
from analysis.similarity.gram import Array

REPEATS, LEVEL, SEED = 1000, 0.95, 0
# Float64 numbers that one block of rows may hold.
HELD = 2**25


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, which is None where one batch leaves nothing to resample."""

    value: float
    low: float | None = None
    high: float | None = None


def bootstrap(
    parts: npt.ArrayLike, *, repeats: int = REPEATS, level: float = LEVEL, seed: int = SEED
) -> tuple[Array, Array] | None:
    """Percentile interval (low, high), each (T, T), of CKA under resampling of the batches.

    ``parts`` (batches, T, T) are the batches' HSICs, of any scale common to a tap. Every
    resample is a ratio of sums, as the estimate is. A resample in which a tap does not vary
    says nothing of that tap and is left out for it. None where there is a single batch.
    Memory: 256 MB beside ``parts``.
    """
    hsic = np.asarray(parts, np.float64)
    batches, taps, _ = hsic.shape
    if batches < 2:
        return None
    weights = resamples(batches, repeats=repeats, seed=seed)
    own = weights @ np.diagonal(hsic, axis1=1, axis2=2)
    scale = np.sqrt(np.where(own > 0, own, np.nan))
    low, high = np.empty((taps, taps)), np.empty((taps, taps))
    ends = [(1 - level) / 2, (1 + level) / 2]
    rows = max(1, HELD // (repeats * taps))
    for start in range(0, taps, rows):
        block = slice(start, start + rows)
        drawn = np.tensordot(weights, hsic[:, block], axes=1)
        drawn /= scale[:, block, None] * scale[:, None, :]
        quantile = np.nanquantile if np.isnan(drawn).any() else np.quantile
        low[block], high[block] = quantile(drawn, ends, axis=0)
    for bound in (low, high):
        np.fill_diagonal(bound, 1.0)
    return low, high


def mean_interval(
    values: npt.ArrayLike, *, repeats: int = REPEATS, level: float = LEVEL, seed: int = SEED
) -> tuple[Array, Array] | None:
    """Percentile interval (low, high), each (T, T), of the mean of ``values`` (batches, T, T).

    The batches are resampled as in ``bootstrap``. None where there is a single batch.
    """
    measured = np.asarray(values, np.float64)
    batches, taps, columns = measured.shape
    if batches < 2:
        return None
    weights = resamples(batches, repeats=repeats, seed=seed) / batches
    low, high = np.empty((taps, columns)), np.empty((taps, columns))
    ends = [(1 - level) / 2, (1 + level) / 2]
    rows = max(1, HELD // (repeats * columns))
    for start in range(0, taps, rows):
        block = slice(start, start + rows)
        drawn = np.tensordot(weights, measured[:, block], axes=1)
        low[block], high[block] = np.quantile(drawn, ends, axis=0)
    return low, high


def estimate(
    parts: npt.ArrayLike,
    number: Callable[[Array], float],
    *,
    repeats: int = REPEATS,
    level: float = LEVEL,
    seed: int = SEED,
) -> Estimate:
    """``number`` of the CKA matrix, with its bootstrap interval over the same resamples.

    ``parts`` as in ``bootstrap``; ``number`` takes a CKA matrix (T, T).
    """
    hsic = np.asarray(parts, np.float64)
    value = number(cka_from_hsic(hsic))
    if len(hsic) < 2:
        return Estimate(value)
    weights = resamples(len(hsic), repeats=repeats, seed=seed)
    own = weights @ np.diagonal(hsic, axis1=1, axis2=2)
    # A resample that leaves a tap without variation has no CKA matrix.
    drawn = [
        number(cka_from_hsic(np.tensordot(weight, hsic, axes=1)[None]))
        for weight in weights[(own > 0).all(axis=1)]
    ]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def resamples(batches: int, *, repeats: int, seed: int) -> Array:
    """How often each batch is drawn in each resample with replacement: (repeats, batches)."""
    drawn = np.random.default_rng(seed).integers(0, batches, (repeats, batches))
    return np.stack([np.bincount(row, minlength=batches) for row in drawn]).astype(float)
