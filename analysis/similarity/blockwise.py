"""CKA of a block of pairs of layers, with intervals, for comparisons of very many layers."""

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.cka import clip_rounding, clipped_interval
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.intervals.cka_intervals import batch_groups
from seelike.analysis.similarity.intervals.jackknife import LEVEL, half_width, standard_error
from seelike.analysis.similarity.signature import Float32

# Numbers that are squared at a time: 8 MB in float64.
HELD = 2**20


def block_parts(
    directions_a: Float32,
    directions_b: Float32,
    weights_a: Array,
    weights_b: Array,
    *,
    out: Float32,
) -> None:
    """Compute what one batch adds to the CKA of every pair: over all batches this sums to CKA.

    Args:
        directions_a: Unit signatures of the batch, (T_a, pairs) float32.
        directions_b: Unit signatures of the batch, (T_b, pairs) float32.
        weights_a: Weights of the layers in the batch (``batch_weights``), (T_a,).
        weights_b: Weights of the layers in the batch, (T_b,).
        out: Written to, (T_a, T_b) float32.
    """
    np.matmul(directions_a, directions_b.T, out=out)
    out *= weights_a.astype(np.float32)[:, None]
    out *= weights_b.astype(np.float32)


def block_cka(
    parts: Float32,
    weights_a: Array,
    weights_b: Array,
    *,
    images: npt.ArrayLike | None = None,
    level: float = LEVEL,
) -> tuple[Float32, tuple[Float32, Float32] | None]:
    """Compute CKA and its jackknife interval from the parts of all batches.

    Without batch j, CKA is (Σ z - zⱼ) / √((1 - xⱼ)(1 - yⱼ)), x and y the shares of the batch in
    a layer's own HSIC.

    Args:
        parts: What each batch adds to CKA (``block_parts``), (B, T_a, T_b).
        weights_a: Weights of the layers in the batches, of length one per layer, (B, T_a).
        weights_b: Weights of the layers in the batches, (B, T_b).
        images: Images per batch, (B,); the same for all where left out.
        level: Confidence level of the interval.

    Returns:
        CKA, (T_a, T_b) float32, and the bounds (low, high) of its interval, all in [-1, 1]; None
        for the bounds where a single batch is nearly all there is.

    Raises:
        AnalysisError: The weights do not belong to the parts.
    """
    batches = len(parts)
    for weights, taps in ((weights_a, parts.shape[1]), (weights_b, parts.shape[2])):
        if weights.shape != (batches, taps):
            raise AnalysisError(f"weights {weights.shape}, expected {(batches, taps)} of the parts")
    total = parts.sum(axis=0, dtype=np.float64)
    value = clip_rounding(total)
    groups = batch_groups(batches, images)
    if groups is None:
        return value.astype(np.float32), None
    left_a, left_b = 1 - weights_a**2, 1 - weights_b**2
    alone_a, alone_b = (np.asarray((left <= 0).any(axis=0)) for left in (left_a, left_b))
    scale_a, scale_b = (np.sqrt(np.where(left > 0, left, 1.0)) for left in (left_a, left_b))
    low, high = np.empty(value.shape, np.float32), np.empty(value.shape, np.float32)
    rows = max(1, HELD // (batches * value.shape[1]))
    for start in range(0, len(value), rows):
        block = slice(start, start + rows)
        without = total[block] - parts[:, block]
        without /= scale_a[:, block, None]
        without /= scale_b[:, None, :]
        reach = half_width(*standard_error(without, groups), level=level)
        reach[alone_a[block]] = reach[:, alone_b] = 2.0
        low[block], high[block] = clipped_interval(value[block], reach)
    return value.astype(np.float32), (low, high)
