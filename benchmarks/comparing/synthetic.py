"""Signatures of random numbers on disk: the comparing stage at any size without a network."""

import numpy as np

from benchmarks.harness import product
from seelike.storage.store import Store


def write(
    store: Store, *, models: int, taps: int, batches: int, batch: int, seed: int = 0
) -> list[str]:
    """The names of ``models`` signatures of ``taps`` taps each, random unit vectors.

    All batches of a model hold the same numbers: their values do not matter here.
    """
    pairs = batch * (batch - 1) // 2
    rng = np.random.default_rng(seed)
    names = []
    for model in range(models):
        called = [f"tap{i}" for i in range(taps)]
        kept = product.create(store, f"model{model}", taps=called, sizes=[batch] * batches)
        rows = unit_rows(rng, taps, pairs)
        values = {tap: (row, 1.0) for tap, row in zip(called, rows, strict=True)}
        for number in range(batches):
            kept.write(number, values)
        names.append(kept.name)
    return names


def unit_rows(rng: np.random.Generator, rows: int, length: int) -> np.ndarray:
    """Random unit vectors (rows, length) float32."""
    values = rng.standard_normal((rows, length), dtype=np.float32)
    lengths = np.sqrt(np.einsum("rl,rl->r", values, values, dtype=np.float64))
    values /= lengths.astype(np.float32)[:, None]
    return values


def stored_bytes(*, taps: int, batches: int, batch: int) -> int:
    """Bytes of their directions."""
    return 4 * taps * batches * batch * (batch - 1) // 2
