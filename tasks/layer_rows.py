"""The similarities of all layers of a comparison, read by blocks of rows, never all at once."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr

from analysis.similarity.layers import HELD, Layers, Rows


@dataclass(frozen=True)
class LayerSimilarity:
    """CKA of all layers by ``rows``, whose ``layers`` and ``taps`` they are.

    ``step`` rows are read at once: whole chunks of what is on disk.
    """

    layers: Layers
    taps: tuple[str, ...]
    rows: Rows
    step: int


def layer_similarity(comparison: xr.Dataset) -> LayerSimilarity:
    """The layers of ``comparison``, which is opened lazily. Memory: one block of rows."""
    values = comparison["cka"].transpose("tap_a", "tap_b")
    taps = comparison.sizes["tap_a"]
    chunk = values.chunks[0][0] if values.chunks else taps
    step = max(chunk, HELD // taps // chunk * chunk)

    # Models are read one after the other, many from the same block.
    @lru_cache(maxsize=1)
    def block(number: int) -> np.ndarray:
        return values[number * step : (number + 1) * step].values

    def rows(start: int, stop: int) -> np.ndarray:
        parts = []
        for number in range(start // step, -(-stop // step)):
            first = number * step
            parts.append(block(number)[max(0, start - first) : stop - first])
        return np.concatenate(parts)

    return LayerSimilarity(
        Layers(
            tuple(str(name) for name in comparison["model_a"].values),
            tuple(float(depth) for depth in comparison["depth_a"].values),
        ),
        tuple(str(name) for name in comparison["tap_a"].values),
        rows,
        step,
    )
