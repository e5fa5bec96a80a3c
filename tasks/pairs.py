"""Measures that compare vectors over pairs of images: one symmetric product a batch."""

import threading
from collections.abc import Sequence

import numpy as np
from dask.delayed import delayed

from analysis.similarity import batch_cosines
from analysis.similarity.permutations import batch_weights
from storage.signatures import Signatures
from tasks.threads import computed


def products(kept: Sequence[Signatures]) -> tuple[np.ndarray, np.ndarray]:
    """Cosines (batches, T, T) float32 of all taps of all models, and norms (batches, T).

    Memory beside the result: for each core the signatures of all taps in one batch.
    """
    product = delayed(_product, pure=False)
    # One operand a thread, for all of its batches: fresh memory costs as much as reading.
    operands = threading.local()
    done = computed(product(kept, batch, operands) for batch in range(len(kept[0].bounds)))
    return np.stack([c for c, _ in done]), np.stack([n for _, n in done])


def _product(
    kept: Sequence[Signatures], batch: int, operands: threading.local
) -> tuple[np.ndarray, np.ndarray]:
    """All models' taps in one operand, so that a symmetric product serves every pair."""
    places = np.cumsum([0, *(len(one.taps) for one in kept)])
    if not hasattr(operands, "held"):
        operands.held = np.empty((int(places[-1]), kept[0].pairs), np.float32)
    norms = [
        one.read_into(operands.held[start:stop], batch)
        for one, start, stop in zip(kept, places[:-1], places[1:], strict=True)
    ]
    return batch_cosines(operands.held), np.concatenate(norms)


def shares(cosines: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """What each batch adds to CKA: (batches, T, T), summing to CKA over the batches."""
    weights = batch_weights(norms)
    return np.asarray(cosines * (weights[:, :, None] * weights[:, None, :]))
