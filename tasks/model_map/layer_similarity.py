"""Similarities of all layers of all models, read by blocks of rows, never all at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from seelike.analysis.similarity.models.layers import HELD, Layers, Rows
from seelike.storage.arrays.tap_pairs import Pairs


@dataclass(frozen=True)
class LayerSimilarity:
    """CKA of all layers with all layers.

    Attributes:
        layers: Model and depth of each layer.
        taps: Its name.
        rows: Reads rows from start to stop, (stop - start, layers).
        step: Rows to read at once: whole blocks on disk.
    """

    layers: Layers
    taps: tuple[str, ...]
    rows: Rows
    step: int


def layer_similarity(pairs: Pairs, labels: Mapping[str, Sequence[Any]]) -> LayerSimilarity:
    """Open complete ``pairs`` of layers named by ``labels``. Memory: one block of rows."""
    taps = len(pairs.rows)
    step = max(pairs.edge, HELD // taps // pairs.edge * pairs.edge)

    # Models are read one after the other, many from the same block.
    @lru_cache(maxsize=1)
    def block(number: int) -> np.ndarray:
        return pairs.rows_of(number * step, min((number + 1) * step, taps))

    def rows(start: int, stop: int) -> np.ndarray:
        parts = []
        for number in range(start // step, -(-stop // step)):
            first = number * step
            parts.append(block(number)[max(0, start - first) : stop - first])
        return np.concatenate(parts)

    layers = Layers(tuple(labels["model"]), tuple(labels["depth"]))
    return LayerSimilarity(layers, tuple(labels["tap"]), rows, step)
