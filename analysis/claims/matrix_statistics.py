"""What the study reads off a CKA matrix, as numbers: experiments E1, E2 and E14.

Matrices have taps in the order of depth, input first.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array

# The share of pairs whose mean stands for the least, or the most, similar: of a minimum alone
# a jackknife knows no error.
EXTREME = 0.05
# Up to so much CKA the paper's figure 2 shows no resemblance.
NO_RESEMBLANCE = 0.5
# Random orders of layers, and the share of them that may tell as much.
ORDERS, BY_CHANCE = 400, 0.05
# Layers that a division into two blocks takes: fewer have too few orders to be told from.
BLOCKS_NEED = 8


def bottom_top(within: Array) -> float:
    """Mean CKA of the bottom quarter of a model's layers with the top quarter.

    Raghu et al. (2021), figure 1: much higher for ViTs than for ResNets. Quarters of a number
    of layers that 4 does not divide are rounded up; ``within`` is (T, T), T >= 2.
    """
    quarter = _share(_layers(within), 0.25)
    return float(within[:quarter, -quarter:].mean())


def least_similar(within: Array) -> float:
    """Mean CKA of the least similar 5 % of pairs of a model's layers; ``within`` (T, T), T >= 2.

    Raghu et al. (2021), figure 1: ViTs are uniform, so theirs is higher than ResNets'.
    """
    pairs = np.sort(within[np.triu_indices(_layers(within), 1)])
    return float(pairs[: _share(len(pairs), EXTREME)].mean())


def match_in_lowest_quarter(across: Array) -> float:
    """Mean CKA of the lower half of A's layers with their best match in B's lowest quarter.

    ``across`` is (T_a, T_b), T_b >= 2. Raghu et al. (2021), figure 2, A a ResNet and B a ViT:
    above ``match_higher_up``.
    """
    half, quarter = _share(across.shape[0], 0.5), _share(_layers(across.T), 0.25)
    return float(across[:half, :quarter].max(axis=1).mean())


def match_higher_up(across: Array) -> float:
    """Mean CKA of the lower half of A's layers with their best match above B's lowest quarter."""
    half, quarter = _share(across.shape[0], 0.5), _share(_layers(across.T), 0.25)
    return float(across[:half, quarter:].max(axis=1).mean())


def last_third_resemblance(across: Array) -> float:
    """Mean CKA of the most similar 5 % of pairs of a layer of A and one of B's last third.

    ``across`` is (T_a, T_b). Raghu et al. (2021), figure 2, A a ResNet and B a ViT: low, for
    every layer.
    """
    third = _share(across.shape[1], 1 / 3)
    pairs = np.sort(across[:, -third:], axis=None)
    return float(pairs[-_share(len(pairs), EXTREME) :].mean())


def resemblance(across: Array) -> float:
    """Mean over A's layers of the CKA with their best match in B; ``across`` is (T_a, T_b)."""
    return float(across.max(axis=1).mean())


def overall(across: Array) -> float:
    """Mean CKA over all pairs of A's and B's layers; ``across`` is (T_a, T_b)."""
    return float(across.mean())


def within_and_across(within: Array, part: npt.ArrayLike) -> tuple[float, float]:
    """Mean CKA of two layers of the same part, and of two of different parts, as far apart.

    ``part`` (T,) numbers each layer's part; -1 is none. Means are taken at every distance in
    layers at which there are pairs of both kinds, and then over those distances, so that parts
    are told from a mere fall with distance: where CKA depends on the distance alone both are
    equal. Raises ``AnalysisError`` where there is no such distance.
    """
    parts = np.asarray(part)
    pairs = []
    for apart in range(1, _layers(within)):
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
    """``within_and_across`` of stages as one number: the first less the second."""
    inside, between = within_and_across(within, part)
    return inside - between


def stage_contrast_by_chance(within: Array, part: npt.ArrayLike) -> float:
    """What ``stage_contrast`` is without stages: of a smooth fall, or of layers in random order.

    The larger of both: that of ``smooth_fall``, and the 95 % point over random orders of the
    layers that have a stage.
    """
    parts = np.asarray(part)
    own = np.flatnonzero(parts >= 0)
    units, stage = within[np.ix_(own, own)], tuple(parts[own].tolist())
    shuffled = _in_random_orders(len(own), (stage,)) @ units.ravel()
    smooth = stage_contrast(smooth_fall(units), stage)
    return max(smooth, float(np.quantile(shuffled, 1 - BY_CHANCE)))


def block_contrast(within: Array) -> float:
    """``stage_contrast`` of the division into two blocks that sets them apart most.

    Raghu et al. (2021), appendix H, for MLP-Mixers. Each block has two layers at least. Raises
    ``AnalysisError`` for fewer than 8 taps.
    """
    return float((_contrasts(_divisions(len(within))) @ within.ravel()).max())


def block_contrast_by_chance(within: Array) -> float:
    """What ``block_contrast`` is without blocks, the division chosen to fit as well.

    The larger of that of ``smooth_fall``, and the 95 % point over random orders of the layers.
    """
    each = _in_random_orders(len(within), _divisions(len(within))) @ within.ravel()
    shuffled = each.reshape(ORDERS, -1).max(axis=1)
    return max(block_contrast(smooth_fall(within)), float(np.quantile(shuffled, 1 - BY_CHANCE)))


def _divisions(count: int) -> tuple[tuple[int, ...], ...]:
    """All divisions of layers into two blocks of two or more."""
    if count < BLOCKS_NEED:
        raise AnalysisError(
            f"{count} layers are too few to tell two blocks from chance, take {BLOCKS_NEED} or more"
        )
    return tuple(tuple(int(i >= at) for i in range(count)) for at in range(2, count - 1))


@cache
def _contrasts(parts: tuple[tuple[int, ...], ...]) -> Array:
    """``stage_contrast`` of each of ``parts`` as weights of the cells: (parts, T * T)."""
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
    """The same weights of layers in random orders, the same each time: (orders * parts, T * T)."""
    weights = _contrasts(parts).reshape(len(parts), count, count)
    drawn = np.random.default_rng(0)
    orders = [drawn.permutation(count) for _ in range(ORDERS)]
    # Weights of a cell in the new order are those of the cell that came there; pairs have no sides.
    each = np.stack([weights[:, order][:, :, order] for order in orders])
    return each.reshape(-1, count * count)


def smooth_fall(within: Array) -> Array:
    """The similarities (T, T) that fall most smoothly with depth, and fit ``within`` best.

    -log CKA of layers i < j is a sum of steps between neighbours, λ(s) = a + b / s + c s of the
    step's number s: of a random walk, whose CKA is √(i / j), λ is ½ log(1 + 1 / s). Least squares
    over all pairs. Raises ``AnalysisError`` for similarities that are not positive.
    """
    count = _layers(within)
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


def paired(within: Array, beside: tuple[npt.ArrayLike, npt.ArrayLike]) -> float:
    """Mean CKA of the layers ``beside[0]`` with the layers ``beside[1]``, one with one."""
    return float(within[np.asarray(beside[0]), np.asarray(beside[1])].mean())


def across_block(within: Array, *, below: int, above: int) -> float:
    """Mean CKA of the layers ``below`` a block, so many, with those from ``above`` it on.

    Raghu et al. (2021), figure 8: it collapses where the block has no skip connections.
    """
    return float(within[:below, above:].mean())


def beside_block(within: Array, *, below: int, above: int) -> float:
    """Mean CKA of two different layers that lie both below a block, or both above it.

    Raises ``AnalysisError`` where neither side has two.
    """
    inside = np.zeros(within.shape, dtype=bool)
    for side in (slice(0, below), slice(above, None)):
        inside[side, side] = True
    inside &= ~np.eye(len(within), dtype=bool)
    if not inside.any():
        raise AnalysisError(f"{below} taps below a block, {len(within) - above} above: no two")
    return float(within[inside].mean())


def same_lower_half(across: Array) -> float:
    """Mean CKA of corresponding layers in the lower half of two networks of one architecture.

    ``across`` is (T, T), both in one order. Raghu et al. (2021), figure 12. Halves leave a layer
    in the middle out.
    """
    return float(_same(across)[: max(1, len(across) // 2)].mean())


def same_upper_half(across: Array) -> float:
    """The same in the upper half."""
    return float(_same(across)[-max(1, len(across) // 2) :].mean())


def same_first_quarter(across: Array) -> float:
    """Mean CKA of corresponding layers in the first quarter, rounded up: as figure G.1."""
    return float(_same(across)[: _share(len(across), 0.25)].mean())


def same_last_quarter(across: Array) -> float:
    """The same in the last quarter."""
    return float(_same(across)[-_share(len(across), 0.25) :].mean())


def _same(across: Array) -> Array:
    if across.shape[0] != across.shape[1]:
        raise AnalysisError(f"similarities {across.shape}, expected (T, T) of corresponding layers")
    return np.diag(across)


def _layers(within: Array) -> int:
    if len(within) < 2:
        raise AnalysisError(f"{len(within)} taps of a model, its structure needs at least 2")
    return len(within)


def _share(count: int, share: float) -> int:
    return max(1, int(np.ceil(count * share)))
