"""Similarity of two models from that of their layers: two aggregates, symmetric, 1 on itself.

Both give every layer a partner in the other model, and both models the same weight, however
many layers each has: the mean over the layers of either model of their similarity to their
partners, and then of the two.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.models.layers import Layers, Rows, read

# Depths apart are no exact numbers: this much more than the window still lies in it.
_SLACK = 1e-9

# In the order of ``aggregated``'s first axis.
AGGREGATES = ("aligned", "best_match")
# Two models by their places.
ModelPair = tuple[int, int]


def best_match(
    similarity: npt.ArrayLike, depth_a: npt.ArrayLike, depth_b: npt.ArrayLike, *, window: float
) -> Array:
    """Compute the mean similarity of layers with their best match at about the same depth.

    Args:
        similarity: Similarities of the layers of two models, (..., A, B).
        depth_a: Depths of A's layers, 0 to 1, (..., A).
        depth_b: Depths of B's layers, 0 to 1, (..., B).
        window: The largest difference in depth to a partner; where no layer is so near, the
            nearest ones are.

    Returns:
        The mean over both directions, (...) float64.
    """
    values = np.asarray(similarity, np.float64)
    apart = np.abs(np.asarray(depth_a)[..., :, None] - np.asarray(depth_b)[..., None, :])
    sides = []
    for axis in (-1, -2):
        reach = np.maximum(window, apart.min(axis=axis, keepdims=True)) + _SLACK
        sides.append(np.where(apart <= reach, values, -np.inf).max(axis=axis).mean(axis=-1))
    return np.asarray((sides[0] + sides[1]) / 2)


def aligned(similarity: npt.ArrayLike) -> Array:
    """Compute the mean similarity of layers with partners on the best monotone path over depth.

    Over paths from the first layers of both models to the last ones,
    in steps of one layer of one model or of both, the largest weighted mean, by

        D(i, j) = max(D(i - 1, j) + B s, D(i, j - 1) + A s, D(i - 1, j - 1) + (A + B) s),

    s the similarity of layers i and j, D(1, 1) = (A + B) s; the result is D(A, B) / 2AB. The
    partner of a layer is that with which a path reaches it. This is dynamic time warping with
    the symmetric weights of Sakoe and Chiba (1978), eq. 20, but that steps are shares of a
    model's depth, not layers: the weights of any path sum to 2AB, half for each model.

    Args:
        similarity: Similarities s of the layers of two models, input first, (..., A, B).

    Returns:
        The weighted mean, (...) float64.
    """
    values = np.asarray(similarity, np.float64)
    rows, columns = values.shape[-2:]
    # Cells (i, k - i) are a diagonal of the mirrored matrix: all are reached in one step.
    mirrored = values[..., ::-1]
    # D at place i + 1; place 0 is before the first layer, which no path passes.
    shape = (*values.shape[:-2], rows + 1)
    before, last = np.full(shape, -np.inf), np.full(shape, -np.inf)
    for k in range(rows + columns - 1):
        low, high = max(0, k - columns + 1), min(k, rows - 1) + 1
        here = np.diagonal(mirrored, columns - 1 - k, -2, -1)
        now = np.full(shape, -np.inf)
        own = now[..., low + 1 : high + 1]
        if k == 0:
            own[...] = (rows + columns) * here
        else:
            np.maximum(last[..., low:high] + columns * here, own, out=own)
            np.maximum(last[..., low + 1 : high + 1] + rows * here, own, out=own)
            np.maximum(before[..., low:high] + (rows + columns) * here, own, out=own)
        before, last = last, now
    return np.asarray(last[..., -1] / (2 * rows * columns))


def aggregate_models(rows: Rows, layers: Layers, *, window: float) -> Array:
    """Compute every aggregate of every two models; rows are read once, model by model.

    Args:
        rows: Reads similarities of layers.
        layers: The layers of all models.
        window: As for ``best_match``.

    Returns:
        Similarities, (``AGGREGATES``, M, M) float64, symmetric.

    Raises:
        AnalysisError: As ``layers.blocks``.
    """
    count = len(layers.models)
    result = np.empty((len(AGGREGATES), count, count))
    for a, (start, stop) in enumerate(layers.ranges.values()):
        block = read(rows, start, stop, layers=len(layers.model))
        for pairs, values in by_shape(
            block, layers, [(a, b) for b in range(a, count)], window=window, first=start
        ):
            others = [b for _, b in pairs]
            result[:, a, others] = result[:, others, a] = values
    return result


def by_shape(
    similarity: npt.NDArray[np.floating],
    layers: Layers,
    pairs: Sequence[ModelPair],
    *,
    window: float,
    first: int = 0,
) -> Iterator[tuple[list[ModelPair], Array]]:
    """Compute all aggregates (``AGGREGATES``, ..., pairs) of ``pairs``, grouped by shape.

    ``similarity`` (..., R, T) has the layers from ``first`` on as rows.
    """
    ranges, depth = list(layers.ranges.values()), np.asarray(layers.depth, np.float64)

    def shape(pair: ModelPair) -> tuple[int, int]:
        a, b = (ranges[place] for place in pair)
        return a[1] - a[0], b[1] - b[0]

    for _, group in groupby(sorted(pairs, key=shape), key=shape):
        own = list(group)
        places = [np.array([np.arange(*ranges[pair[side]]) for pair in own]) for side in (0, 1)]
        cells = similarity[..., places[0][:, :, None] - first, places[1][:, None, :]]
        of_depth = [depth[side] for side in places]
        yield own, np.stack([aligned(cells), best_match(cells, *of_depth, window=window)])
