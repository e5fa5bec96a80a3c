"""Cosines of signatures: one symmetric product of all taps per batch."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from dask.delayed import delayed

from seelike.analysis.cores import cores
from seelike.analysis.similarity import batch_cosines
from seelike.analysis.similarity.significance.permutations import batch_weights
from seelike.storage.arrays.signatures import Signatures
from seelike.tasks.runtime.threads import compute_on_threads


def products(kept: Sequence[Signatures]) -> tuple[np.ndarray, np.ndarray]:
    """Compute the cosines of all taps of all models.

    Memory beside the result: for each core the signatures of all taps in one batch.

    Args:
        kept: Signatures of the models.

    Returns:
        Cosines (batches, T, T) float32, and lengths of the signatures (batches, T) float64.
    """
    batches, taps = len(kept[0].bounds), sum(len(one.taps) for one in kept)
    cosines = np.empty((batches, taps, taps), np.float32)
    product = delayed(_product, pure=False)
    # One operand per thread, for all of its batches: fresh memory costs as much as reading.
    operands = threading.local()
    # Not as arrays, which Dask would take into its graph.
    steps = [
        product(kept, batch, operands, _CosinesOut(cosines[batch])) for batch in range(batches)
    ]
    return cosines, np.stack(compute_on_threads(steps))


@dataclass(frozen=True)
class _CosinesOut:
    cosines: np.ndarray


def _product(
    kept: Sequence[Signatures], batch: int, operands: threading.local, out: _CosinesOut
) -> np.ndarray:
    """Fill ``out`` with all pairs' cosines; return norms (T,). All models' taps are one operand."""
    places = np.cumsum([0, *(len(one.taps) for one in kept)])
    if not hasattr(operands, "held"):
        operands.held = np.empty((int(places[-1]), kept[0].pairs), np.float32)
    norms = [
        one.read_into(operands.held[start:stop], batch)
        for one, start, stop in zip(kept, places[:-1], places[1:], strict=True)
    ]
    for one in kept:
        # What this thread reads next comes from the disk while it computes.
        one.prefetch(batch + cores())
    batch_cosines(operands.held, out=out.cosines)
    return np.concatenate(norms)


def shares(cosines: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """Compute what each batch adds to CKA: (batches, T, T), summing to CKA over the batches."""
    weights = batch_weights(norms)
    return np.asarray(cosines * (weights[:, :, None] * weights[:, None, :]))
