"""What the study reads off a CKA matrix, as numbers: experiments E1, E2 and E14.

Matrices have taps in the order of depth, input first.
"""

import numpy as np
import numpy.typing as npt

from analysis.errors import AnalysisError
from analysis.similarity.gram import Array


def bottom_top(within: Array) -> float:
    """Mean CKA of the bottom quarter of a model's layers with the top quarter.

    Raghu et al. (2021), figure 1: much higher for ViTs than for ResNets. Quarters of a number
    of layers that 4 does not divide are rounded up; ``within`` is (T, T), T >= 2.
    """
    quarter = _share(_layers(within), 0.25)
    return float(within[:quarter, -quarter:].mean())


def lowest(within: Array) -> float:
    """The smallest CKA between two different layers of a model; ``within`` is (T, T), T >= 2.

    Raghu et al. (2021), figure 1: ViTs are uniform, so theirs is higher than ResNets'.
    """
    return float(within[~np.eye(_layers(within), dtype=bool)].min())


def lower_half_match(across: Array) -> float:
    """Share of the lower half of A's layers whose best match is in the lowest quarter of B's.

    ``across`` is (T_a, T_b). Raghu et al. (2021), figure 2, A a ResNet and B a ViT: nearly 1.
    """
    half, quarter = _share(across.shape[0], 0.5), _share(across.shape[1], 0.25)
    return float((across[:half].argmax(axis=1) < quarter).mean())


def lower_half_mismatch(across: Array) -> float:
    """Share of the lower half of A's layers whose best match is above B's lowest quarter."""
    return 1.0 - lower_half_match(across)


def last_third_resemblance(across: Array) -> float:
    """How much B's last third resembles any layer of A: mean over it of the largest CKA.

    ``across`` is (T_a, T_b). Raghu et al. (2021), figure 2, A a ResNet and B a ViT: low.
    """
    third = _share(across.shape[1], 1 / 3)
    return float(across[:, -third:].max(axis=0).mean())


def before_last_third_resemblance(across: Array) -> float:
    """How much B's layers before its last third resemble any layer of A: as for the last third.

    Raises ``AnalysisError`` where B has fewer than 2 taps.
    """
    third = _share(_layers(across.T), 1 / 3)
    return float(across[:, :-third].max(axis=0).mean())


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


def two_blocks(within: Array) -> tuple[float, float]:
    """``within_and_across`` of the division into two blocks that sets them apart most.

    Raghu et al. (2021), appendix H, for MLP-Mixers. Each block has two layers at least; T >= 4.
    Raises ``AnalysisError`` for fewer.
    """
    count = _layers(within)
    if count < 4:
        raise AnalysisError(f"{count} taps of a model, two blocks need at least 4")
    each = [within_and_across(within, np.arange(count) >= at) for at in range(2, count - 1)]
    return max(each, key=lambda pair: pair[0] - pair[1])


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
