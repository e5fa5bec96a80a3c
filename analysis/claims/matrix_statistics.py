"""Numbers that the study reads off a CKA matrix (E1, E2, E7, E11, E13).

Matrices have layers in the order of depth, input first. ``within`` is (T, T) of one model,
``across`` (T_a, T_b) of two.
"""

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array

# The share of pairs whose mean stands for the least, or the most, similar pair: the jackknife
# gives no standard error of a minimum.
EXTREME = 0.05
# Figure 2 of the paper shows no resemblance up to this CKA.
NO_RESEMBLANCE = 0.5


class TooFewLayers(AnalysisError):
    """A number needs at least ``needed`` layers of a model that has ``count``."""

    def __init__(self, count: int, *, needed: int) -> None:
        super().__init__(f"{count} layers of a model, expected {needed} or more")
        self.count, self.needed = count, needed


def bottom_top(within: Array) -> float:
    """Mean CKA of the bottom quarter of a model's layers with the top quarter.

    Raghu et al. (2021), figure 1: much higher for ViTs than for ResNets. A quarter that is not a
    whole number of layers is rounded up.

    Args:
        within: CKA of the model's layers, (T, T).

    Returns:
        The mean over all pairs of a bottom and a top layer.

    Raises:
        TooFewLayers: There are fewer than 2 layers.
    """
    quarter = _share(layer_count(within), 0.25)
    return float(within[:quarter, -quarter:].mean())


def least_similar(within: Array) -> float:
    """Mean CKA of the least similar 5 % of pairs of a model's layers.

    Raghu et al. (2021), figure 1: ViTs are uniform, so theirs is higher than ResNets'.

    Args:
        within: CKA of the model's layers, (T, T).

    Returns:
        The mean over the least similar pairs, at least one.

    Raises:
        TooFewLayers: There are fewer than 2 layers.
    """
    pairs = np.sort(within[np.triu_indices(layer_count(within), 1)])
    return float(pairs[: _share(len(pairs), EXTREME)].mean())


def match_in_lowest_quarter(across: Array) -> float:
    """Mean CKA of the lower half of A's layers with their best match in B's lowest quarter.

    Raghu et al. (2021), figure 2, A a ResNet and B a ViT: above ``match_higher_up``.

    Args:
        across: CKA of A's layers with B's, (T_a, T_b).

    Returns:
        The mean over the lower half of A's layers.

    Raises:
        TooFewLayers: B has fewer than 2 layers.
    """
    half, quarter = _share(across.shape[0], 0.5), _share(layer_count(across.T), 0.25)
    return float(across[:half, :quarter].max(axis=1).mean())


def match_higher_up(across: Array) -> float:
    """Mean CKA of the lower half of A's layers with their best match above B's lowest quarter.

    Arguments and errors as for ``match_in_lowest_quarter``.
    """
    half, quarter = _share(across.shape[0], 0.5), _share(layer_count(across.T), 0.25)
    return float(across[:half, quarter:].max(axis=1).mean())


def last_third_resemblance(across: Array) -> float:
    """Mean CKA of the most similar 5 % of pairs of a layer of A and one of B's last third.

    Raghu et al. (2021), figure 2, A a ResNet and B a ViT: low, for every layer.
    """
    third = _share(across.shape[1], 1 / 3)
    pairs = np.sort(across[:, -third:], axis=None)
    return float(pairs[-_share(len(pairs), EXTREME) :].mean())


def resemblance(across: Array) -> float:
    """Mean over A's layers of the CKA with their best match in B."""
    return float(across.max(axis=1).mean())


def overall(across: Array) -> float:
    """Mean CKA over all pairs of a layer of A and one of B."""
    return float(across.mean())


def paired(within: Array, beside: tuple[npt.ArrayLike, npt.ArrayLike]) -> float:
    """Mean CKA of the layers ``beside[0]`` with the layers ``beside[1]``, one with one."""
    return float(within[np.asarray(beside[0]), np.asarray(beside[1])].mean())


def across_block(within: Array, *, below: int, above: int) -> float:
    """Mean CKA of the ``below`` layers below a block with the layers from place ``above`` on.

    Raghu et al. (2021), figure 8: it collapses where the block has no skip connections.
    """
    return float(within[:below, above:].mean())


def beside_block(within: Array, *, below: int, above: int) -> float:
    """Mean CKA of two different layers that lie both below a block, or both above it.

    Raises ``AnalysisError`` where neither side has two layers.
    """
    inside = np.zeros(within.shape, dtype=bool)
    for side in (slice(0, below), slice(above, None)):
        inside[side, side] = True
    inside &= ~np.eye(len(within), dtype=bool)
    if not inside.any():
        raise AnalysisError(
            f"{below} layers below a block and {len(within) - above} above, expected 2 on one side"
        )
    return float(within[inside].mean())


def same_lower_half(across: Array) -> float:
    """Mean CKA of corresponding layers in the lower half of two networks of one architecture.

    Raghu et al. (2021), figure 12. A layer in the middle belongs to neither half. ``across``
    (T, T) has the layers of both in one order; ``AnalysisError`` for another shape.
    """
    return float(_same(across)[: max(1, len(across) // 2)].mean())


def same_upper_half(across: Array) -> float:
    """Mean CKA of corresponding layers in the upper half; see ``same_lower_half``."""
    return float(_same(across)[-max(1, len(across) // 2) :].mean())


def same_first_quarter(across: Array) -> float:
    """Mean CKA of corresponding layers in the first quarter, rounded up; figure G.1."""
    return float(_same(across)[: _share(len(across), 0.25)].mean())


def same_last_quarter(across: Array) -> float:
    """Mean CKA of corresponding layers in the last quarter, rounded up; figure G.1."""
    return float(_same(across)[-_share(len(across), 0.25) :].mean())


def layer_count(within: Array, *, needed: int = 2) -> int:
    """The number of rows of ``within``; ``TooFewLayers`` where it is below ``needed``."""
    if len(within) < needed:
        raise TooFewLayers(len(within), needed=needed)
    return len(within)


def _same(across: Array) -> Array:
    if across.shape[0] != across.shape[1]:
        raise AnalysisError(f"similarities {across.shape}, expected (T, T) of corresponding layers")
    return np.diag(across)


def _share(count: int, share: float) -> int:
    return max(1, int(np.ceil(count * share)))
