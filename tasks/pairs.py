"""Measures that compare vectors over pairs of images: one symmetric product a batch."""

import os
from collections.abc import Sequence

import numpy as np
from dask.base import compute
from dask.delayed import delayed

from analysis.similarity import batch_cosines
from analysis.similarity.permutations import batch_weights
from storage.signatures import Signatures
from tasks.threads import one_blas_thread


def products(kept: Sequence[Signatures]) -> tuple[np.ndarray, np.ndarray]:
    """Cosines (batches, T, T) float32 of all taps of all models, and norms (batches, T)."""
    product = delayed(_product, pure=False)
    with one_blas_thread():
        done = compute(  # type: ignore[no-untyped-call]
            *(product(kept, batch) for batch in range(len(kept[0].bounds))),
            scheduler="threads",
            num_workers=os.cpu_count(),
        )
    return np.stack([c for c, _ in done]), np.stack([n for _, n in done])


def _product(kept: Sequence[Signatures], batch: int) -> tuple[np.ndarray, np.ndarray]:
    """All models' taps in one operand, so that a symmetric product serves every pair."""
    read = [one.read(batch) for one in kept]
    return batch_cosines(np.concatenate([d for d, _ in read])), np.concatenate([n for _, n in read])


def shares(cosines: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """What each batch adds to CKA: (batches, T, T), summing to CKA over the batches."""
    weights = batch_weights(norms)
    return np.asarray(cosines * (weights[:, :, None] * weights[:, None, :]))
