"""Stages and blocks in a CKA matrix, against chance and a smooth fall with depth (E1, E14).

Matrices ``within`` are (T, T), layers in the order of depth, input first.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from seelike.analysis.claims.matrix_statistics import TooFewLayers, layer_count
from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array

# Random orders of layers, and the share of them that may show as much by chance.
ORDERS, BY_CHANCE = 400, 0.05
# Fewer layers have too few orders to tell two blocks from chance.
BLOCKS_NEED = 8


def within_and_across(within: Array, part: npt.ArrayLike) -> tuple[float, float]:
    """Mean CKA of two layers in the same part and of two in different parts, equally far apart.

    Means are taken at every distance in layers at which there are pairs of both kinds, and then
    over those distances. So parts differ from a mere fall with distance: where CKA depends on the
    distance alone, both numbers are equal.

    Args:
        within: CKA of the model's layers, (T, T).
        part: The part of each layer, (T,) int; -1 for none.

    Returns:
        The mean within parts and the mean across parts.

    Raises:
        AnalysisError: No distance has pairs of both kinds.
    """
    parts = np.asarray(part)
    pairs = []
    for apart in range(1, layer_count(within)):
        first, second = parts[:-apart], parts[apart:]
        known, same = (first >= 0) & (second >= 0), first == second
        cka = np.diagonal(within, apart)
        if (known & same).any() and (known & ~same).any():
            pairs.append((cka[known & same].mean(), cka[known & ~same].mean()))
    if not pairs:
        raise AnalysisError(f"parts {parts.tolist()} have no pairs of layers to compare")
    inside, between = np.mean(pairs, axis=0)
    return float(inside), float(between)


def stage_contrast(within: Array, part: npt.ArrayLike) -> float:
    """The first number of ``within_and_across`` less the second."""
    inside, between = within_and_across(within, part)
    return inside - between


def stage_contrast_by_chance(within: Array, part: npt.ArrayLike) -> float:
    """The ``stage_contrast`` that comes without stages.

    The larger of two: the contrast of ``smooth_fall``, and the 95 % point over random orders of
    the layers that have a stage.
    """
    parts = np.asarray(part)
    own = np.flatnonzero(parts >= 0)
    units, stage = within[np.ix_(own, own)], tuple(parts[own].tolist())
    shuffled = _in_random_orders(len(own), (stage,)) @ units.ravel()
    smooth = stage_contrast(smooth_fall(units), stage)
    return max(smooth, float(np.quantile(shuffled, 1 - BY_CHANCE)))


def block_contrast(within: Array) -> float:
    """The largest ``stage_contrast`` of any division into two blocks of two or more layers.

    Raghu et al. (2021), appendix H, for MLP-Mixers. Raises ``TooFewLayers`` for fewer than 8.
    """
    return float((_contrasts(_divisions(len(within))) @ within.ravel()).max())


def block_contrast_by_chance(within: Array) -> float:
    """The ``block_contrast`` that comes without blocks, the division chosen to fit as well.

    The larger of two: the contrast of ``smooth_fall``, and the 95 % point over random orders of
    the layers.
    """
    each = _in_random_orders(len(within), _divisions(len(within))) @ within.ravel()
    shuffled = each.reshape(ORDERS, -1).max(axis=1)
    return max(block_contrast(smooth_fall(within)), float(np.quantile(shuffled, 1 - BY_CHANCE)))


def smooth_fall(within: Array) -> Array:
    """The similarities that fall most smoothly with depth and fit ``within`` best.

    -log CKA of layers i < j is a sum of steps between neighbours, λ(s) = a + b / s + c s for the
    step's number s; for a random walk, whose CKA is √(i / j), λ is ½ log(1 + 1 / s). Least squares
    over all pairs.

    Args:
        within: CKA of the model's layers, (T, T).

    Returns:
        The fitted similarities, (T, T) float64, 1 on the diagonal.

    Raises:
        AnalysisError: A similarity is not positive.
    """
    count = layer_count(within)
    first, second = np.triu_indices(count, 1)
    pairs = within[first, second]
    if (pairs <= 0).any():
        raise AnalysisError(
            f"two layers have a CKA of {pairs.min():.2g}: similarity that is not above zero has no "
            "smooth fall to be compared with"
        )
    step = np.arange(1, count)
    basis = np.stack([np.ones(count - 1), 1 / step, step])
    summed = np.concatenate([np.zeros((3, 1)), np.cumsum(basis, axis=1)], axis=1)
    design = (summed[:, second] - summed[:, first]).T
    weights, *_ = np.linalg.lstsq(design, -np.log(pairs), rcond=None)
    fitted = np.eye(count)
    fitted[first, second] = fitted[second, first] = np.exp(-design @ weights)
    return fitted


def _divisions(count: int) -> tuple[tuple[int, ...], ...]:
    """All divisions of layers into two blocks of two or more."""
    if count < BLOCKS_NEED:
        raise TooFewLayers(count, needed=BLOCKS_NEED)
    return tuple(tuple(int(i >= at) for i in range(count)) for at in range(2, count - 1))


@cache
def _contrasts(parts: tuple[tuple[int, ...], ...]) -> Array:
    """``stage_contrast`` for each of ``parts`` as weights of the cells: (parts, T * T)."""
    count = len(parts[0])
    each = np.zeros((len(parts), count, count))
    for weights, part in zip(each, parts, strict=True):
        distances = []
        for apart in range(1, count):
            same = np.equal(part[:-apart], part[apart:])
            if same.any() and not same.all():
                distances.append((apart, same / same.sum() - ~same / (~same).sum()))
        for apart, share in distances:
            places = np.arange(count - apart)
            weights[places, places + apart] = share / len(distances)
    return each.reshape(len(parts), -1)


@cache
def _in_random_orders(count: int, parts: tuple[tuple[int, ...], ...]) -> Array:
    """The same weights for layers in random orders, seeded: (orders * parts, T * T)."""
    weights = _contrasts(parts).reshape(len(parts), count, count)
    drawn = np.random.default_rng(0)
    orders = [drawn.permutation(count) for _ in range(ORDERS)]
    # Weights of a cell in the new order are those of the cell that came there; pairs have no sides.
    each = np.stack([weights[:, order][:, :, order] for order in orders])
    return each.reshape(-1, count * count)
