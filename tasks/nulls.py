"""The permutation null of a comparison, from the signatures in the store, on all cores."""

from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np
from dask.base import compute
from dask.delayed import delayed

from analysis.cores import cores
from analysis.errors import AnalysisError
from analysis.similarity.nulls import Null, PermutationTest, Tail
from analysis.similarity.permutations import batch_weights, unpadded
from storage.signatures import Signatures
from tasks.threads import one_blas_thread


def null_of(
    kept: Sequence[Signatures],
    observed: np.ndarray,
    norms: np.ndarray,
    *,
    model: Sequence[str],
    permutations: int,
    seed: int = 0,
    workers: int | None = None,
) -> Null:
    """The null of ``observed`` (T, T), the CKA of all taps of ``kept`` that are not constant.

    ``norms`` (batches, taps) are those of all taps; taps whose norms are zero in all batches are
    left out of ``observed`` and ``model`` (T,). Each of ``workers`` threads, by default as many
    as there are cores, takes its share of the permutations through all batches: the signatures
    are read once a worker, and anew for every 2²³ / T² permutations. Memory of a worker: four
    batches of T taps, 160 MB, and 5 % of the permutations in (T, T) float32 matrices, 5 times.
    The numbers do not depend on ``workers``. Raises as ``PermutationTest``, and ``StorageError``
    for signatures that are missing or damaged.
    """
    present = np.flatnonzero(norms.any(axis=0))
    if len(present) != len(model):
        raise AnalysisError(
            f"{len(present)} taps are not constant, models are given for {len(model)}: leave the "
            "constant taps out of both"
        )
    test = PermutationTest(observed, model, permutations, seed)
    weights = batch_weights(norms[:, present])

    def batches() -> Iterator[np.ndarray]:
        return (_weighted(kept, batch, present, weight) for batch, weight in enumerate(weights))

    threads = min(workers or cores(), permutations)
    tail = delayed(test.tail, pure=False)
    # Shares of whole permutations, not of batches: no partial sums to keep or to add.
    shares = [range(first, permutations, threads) for first in range(threads)]
    with one_blas_thread():
        tails: tuple[Tail, ...] = compute(  # type: ignore[no-untyped-call]
            *(tail(batches, numbers) for numbers in shares),
            scheduler="threads",
            num_workers=threads,
        )
    return test.result(reduce(Tail.joined, tails))


def _weighted(
    kept: Sequence[Signatures], batch: int, present: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Directions times weights of the ``present`` taps of all models (T, pairs) float32."""
    start, stop = kept[0].bounds[batch]
    read = np.concatenate([one.read(batch)[0] for one in kept])
    if len(present) < len(read):
        read = read[present]
    return unpadded(read, images=stop - start) * weights[:, None].astype(np.float32)
