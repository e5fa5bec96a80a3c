"""CKA of a block of pairs of layers, with intervals in closed form: for blocks of many pairs.

A bootstrap draws every cell a thousand times, which for 10⁸ cells takes longer than their
products; the infinitesimal jackknife needs two sums over the batches.
"""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from analysis.errors import AnalysisError
from analysis.similarity.gram import Array
from analysis.similarity.intervals import LEVEL
from analysis.similarity.signature import Float32

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
    """What one batch adds to the CKA of every pair (T_a, T_b), written to ``out``.

    ``directions`` (T, pairs) are unit signatures of the batch, ``weights`` (T,) those of the
    taps in it (``batch_weights``): over all batches the parts sum to CKA.
    """
    np.matmul(directions_a, directions_b.T, out=out)
    out *= weights_a.astype(np.float32)[:, None]
    out *= weights_b.astype(np.float32)


def block_cka(
    parts: Float32, weights_a: Array, weights_b: Array, *, level: float = LEVEL
) -> tuple[Float32, tuple[Float32, Float32] | None]:
    """CKA (T_a, T_b) float32 and its interval (low, high), from the ``parts`` of all batches.

    ``parts`` (batches, T_a, T_b), ``weights`` (batches, T). The standard error is that of the
    infinitesimal jackknife over the batches (Jaeckel 1972; Efron 1982, chapter 6) of the ratio
    r = Σ z / √(Σ x Σ y): with Σ x = Σ y = 1 the influence of a batch is z - r (x + y) / 2; the
    interval is normal. None where there is a single batch. Raises ``AnalysisError`` for weights
    that do not belong to the parts.
    """
    batches = len(parts)
    for weights, taps in ((weights_a, parts.shape[1]), (weights_b, parts.shape[2])):
        if weights.shape != (batches, taps):
            raise AnalysisError(f"weights {weights.shape}, expected {(batches, taps)} of the parts")
    value = parts.sum(axis=0, dtype=np.float64)
    if batches < 2:
        return value.astype(np.float32), None
    wide = NormalDist().inv_cdf((1 + level) / 2)
    error = wide * _standard_error(parts, value, weights_a**2, weights_b**2)
    low, high = (value - error).astype(np.float32), (value + error).astype(np.float32)
    return value.astype(np.float32), (low, high)


def _standard_error(parts: Float32, value: Array, own_a: Array, own_b: Array) -> Array:
    """Of every cell; ``own`` (batches, T) are the shares of the batches in a tap's own HSIC."""
    batches, taps, columns = parts.shape
    error = np.empty((taps, columns))
    rows = max(1, HELD // columns)
    for start in range(0, taps, rows):
        block = slice(start, start + rows)
        total = np.zeros((len(value[block]), columns))
        for batch in range(batches):
            influence: npt.NDArray[np.float64] = own_a[batch, block, None] + own_b[batch]
            influence *= value[block]
            influence /= -2
            influence += parts[batch, block]
            total += influence * influence
        error[block] = np.sqrt(total * (batches / (batches - 1)))
    return error
