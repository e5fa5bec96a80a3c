"""Permutation tests of a comparison, from the signatures in the store, on all cores."""

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
from dask.delayed import delayed

from seelike.analysis.cores import cores
from seelike.analysis.similarity.image_pairs import TRIANGLE, Pairs
from seelike.analysis.similarity.measures.deconfounded import regression
from seelike.analysis.similarity.significance.corrections import calibrate, match_q, pair_q
from seelike.analysis.similarity.significance.permutation_tests import (
    Null,
    PermutationTest,
    ShuffleTest,
)
from seelike.analysis.similarity.significance.permutations import batch_weights, remove_padding
from seelike.analysis.similarity.significance.tails import Tail
from seelike.storage.arrays.signatures import Signatures
from seelike.tasks.runtime.threads import compute_on_threads

# Reads directions times weights of all taps, batch after batch; each call starts at the first.
Batches = Callable[[], Iterator[np.ndarray]]


def permutation_null(
    test: PermutationTest,
    batches: Batches,
    *,
    pairs: Pairs = TRIANGLE,
    workers: int | None = None,
) -> Null:
    """Compute the permutation null of the observed similarities.

    Memory and errors as ``permutation_tail``.

    Args:
        test: The test, with what was observed.
        batches: Signatures of all taps.
        pairs: Pairs of images that the signatures are over.
        workers: Threads, by default as many as cores; the numbers do not depend on it.

    Returns:
        The null.
    """
    return test.result(permutation_tail(test, batches, pairs=pairs, workers=workers))


def permutation_tail(
    test: ShuffleTest,
    batches: Batches,
    *,
    pairs: Pairs = TRIANGLE,
    workers: int | None = None,
) -> Tail:
    """Compute the tail of the permutation distribution.

    Each of ``workers`` threads, by default as many as there are cores, takes its share of the
    permutations through all batches: the signatures are read once per worker, and again for every
    2²³ / T² permutations. Memory of a worker: three batches of T taps, 160 MB, and 5 % of the
    permutations in (T, T) float32 matrices, 5 times.

    Args:
        test: The test, with what was observed.
        batches: Signatures of all taps.
        pairs: Pairs of images that the signatures are over.
        workers: Threads, by default as many as cores; the numbers do not depend on it.

    Returns:
        The tail.

    Raises:
        AnalysisError: As ``ShuffleTest``.
        StorageError: For signatures that are missing or damaged.
    """
    threads = min(workers or cores(), test.permutations)
    tail = delayed(test.tail, pure=False)
    # Shares of whole permutations, not of batches: no partial sums to keep or to add.
    shares = [range(first, test.permutations, threads) for first in range(threads)]
    tails: tuple[Tail, ...] = compute_on_threads(tail(batches, own, pairs=pairs) for own in shares)
    return reduce(Tail.joined, tails)


def signature_batches(
    kept: Sequence[Signatures],
    norms: np.ndarray,
    *,
    present: np.ndarray,
    pairs: Pairs = TRIANGLE,
) -> Batches:
    """Read the signatures of some taps, batch by batch.

    Args:
        kept: Signatures of the models.
        norms: Their lengths, (batches, all taps).
        present: Indices of the taps, into all of them.
        pairs: Pairs of images that the signatures are over.
    """
    weights = batch_weights(norms[:, present])

    def batches() -> Iterator[np.ndarray]:
        for batch, weight in enumerate(weights):
            start, stop = kept[0].bounds[batch]
            read = np.concatenate([one.read(batch)[0] for one in kept])
            for one in kept:
                one.prefetch(batch + 1)
            if len(present) < len(read):
                read = read[present]
            read = remove_padding(read, images=stop - start, pairs=pairs)
            yield read * weight[:, None].astype(np.float32)

    return batches


def residual_batches(batches: Batches, parts: np.ndarray) -> Batches:
    """Regress the last tap, the confounder, out of the others.

    Residuals are permuted (Freedman & Lane 1983; Legendre 2000 for matrices of similarities).

    Args:
        batches: Signatures of all taps, the confounder last.
        parts: Shares of CKA, (batches, T + 1, T + 1), as for ``deconfounded``.
    """
    share, remaining = regression(parts.sum(axis=0))
    length = np.sqrt(remaining)[:, None].astype(np.float32)
    share = share[:, None].astype(np.float32)
    return lambda: ((one[:-1] - share * one[-1]) / length for one in batches())


def above_chance(test: PermutationTest, null: Null) -> dict[str, Any]:
    """Make variables of a comparison from the permutation null.

    Returns:
        p values of cells, best matches and pairs of models, and the corrected ones: ``q`` and
        ``best_q`` in the families of ``pair_q``, ``block_p_corrected`` for all pairs of different
        models.
    """
    cells, matches = ("tap_a", "tap_b"), ("tap_a", "other_model")
    blocks = ("own_model", "other_model")
    return {
        "p": (cells, null.cells.p),
        "q": (cells, pair_q(null, model=test.model, symmetric=test.symmetric)),
        "critical": (cells, null.cells.critical),
        "calibrated": (cells, calibrate(test.observed, null.cells.critical)),
        "best_p": (matches, null.matches.p),
        "best_q": (matches, match_q(null, model=test.model)),
        "block_p": (blocks, null.blocks.p),
        "block_p_corrected": (blocks, null.corrected),
    }
