"""CKA over all n images at once, out of core, with a jackknife interval for every cell.

Every HSIC follows from sums over pairs of images. Two methods compute them, and the cheaper one
that fits the memory is used: Gram blocks (any kernel), about (P + 64 T) n² / 2 + T² n² / 4
multiply-adds for T taps with P features in all, and feature cross-products (linear kernel), n P² /
2 in float64. A byte read counts as 64 multiply-adds; ``gram_blocks.plan`` and
``cross_products.plan`` state cost and peak memory.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError, suggest
from seelike.analysis.similarity.cka import (
    ESTIMATORS,
    KERNELS,
    RBF_WIDTH,
    cka_from_hsic,
    clipped_interval,
    hsic_ratio,
)
from seelike.analysis.similarity.exact import cross_products, gram_blocks
from seelike.analysis.similarity.exact.gram_blocks import NONE
from seelike.analysis.similarity.exact.image_blocks import (
    Float32,
    Layout,
    Plan,
    Sums,
    cheapest_plan,
)
from seelike.analysis.similarity.exact.shuffles import Shuffles
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.image_pairs import Order
from seelike.analysis.similarity.intervals.groups import Groups
from seelike.analysis.similarity.intervals.jackknife import half_width, standard_error

# Own HSIC, as a share of the terms that make it, below which it is rounding of float32 products.
NOISE = 1e-6
EVERY = slice(None)


def plan(
    of: Layout,
    *,
    kernel: str = "linear",
    width: float = RBF_WIDTH,
    memory: int = 4 * 10**9,
    shuffles: Shuffles = NONE,
) -> Plan:
    """Choose the cheapest method for the sums that fits the memory.

    Args:
        of: Layout of taps and images.
        kernel: 'linear' or 'rbf'.
        width: Width of the RBF kernel as a multiple of the median distance between images.
        memory: Bytes that may be used.
        shuffles: Permutations for a null; only Gram blocks compute them.

    Raises:
        AnalysisError: No method fits; the message has both numbers.
    """
    plans = [gram_blocks.plan(of, kernel=kernel, width=width, memory=memory, shuffles=shuffles)]
    if kernel == "linear" and not shuffles.count:
        plans.append(cross_products.plan(of, memory=memory))
    chosen = cheapest_plan(plans, memory=memory)
    if chosen.peak > memory:
        raise AnalysisError(
            f"exact CKA of these taps needs at least {chosen.peak / 1e9:.2f} GB of memory, "
            f"{memory / 1e9:.2f} GB are given; give more memory, choose fewer or smaller taps or "
            "smaller batches, or use the minibatch estimator"
        )
    return chosen


def check_choice(estimator: str, kernel: str) -> None:
    """Raise ``AnalysisError`` for an unknown estimator or kernel, with the nearest name."""
    asked: Sequence[tuple[str, str, Sequence[str]]] = [
        ("estimator", estimator, list(ESTIMATORS)),
        ("kernel", kernel, list(KERNELS)),
    ]
    for what, name, known in asked:
        if name not in known:
            raise AnalysisError(f"unknown {what} {name!r}; {suggest(name, known)}")


def estimate(sums: Sums, *, estimator: str) -> tuple[Array, Array | None, Array | None]:
    """Compute CKA over all images and its 95 % interval.

    The interval is the delete-a-group jackknife's (Efron & Stein 1981; for groups of different size
    Busing, Meijer & van der Leeden 1999): CKA ± t(0.975, G - 1) x its standard error, cut to
    [-1, 1]; an RBF kernel keeps its width.

    Args:
        sums: Sums over pairs of images.
        estimator: 'debiased' or 'biased'.

    Returns:
        CKA, lower and upper end, (T, T) float64 each. The interval is [-1, 1] for a tap that varies
        in one group only, and None, None for a single group.

    Raises:
        DegenerateTaps: The own HSIC of a tap is not positive.
    """
    value = cka_from_hsic(_hsic(_terms(sums, estimator))[None])
    count = sums.layout.group_count
    if count == 1:
        return value, None, None
    left_out = np.empty((count, *value.shape))
    undefined = np.zeros(len(value), bool)
    for group in range(count):
        terms = _terms(sums, estimator, without=group)
        hsic = _hsic(terms)
        size = np.sum([np.abs(np.diag(term)) for term in terms], axis=0)
        rounding = np.diag(hsic) <= NOISE * size
        undefined |= rounding
        hsic[rounding, rounding] = 1.0
        left_out[group] = hsic_ratio(hsic[None])
    members = [sums.layout.images_of_group(group) for group in range(count)]
    sizes = np.array([own.stop - own.start for own in members])
    reach = half_width(*standard_error(left_out, Groups.by_size(sizes)))
    reach[undefined] = reach[:, undefined] = 2.0
    low, high = clipped_interval(value, reach)
    np.fill_diagonal(low, 1.0)
    return value, low, high


def shuffled(sums: Sums, shuffles: Shuffles, *, estimator: str) -> Float32:
    """Compute CKA over all images with those of the second tap permuted.

    Args:
        sums: Sums of a plan made with these ``shuffles``.
        shuffles: The permutations.
        estimator: 'debiased' or 'biased'.

    Returns:
        CKA under each permutation, (R, T, T) float32.
    """
    length = np.sqrt(np.diag(_hsic(_terms(sums, estimator))))
    rows = sums.rows.sum(axis=1)
    found = np.empty_like(sums.shuffled)
    for number, products in enumerate(sums.shuffled):
        order = shuffles.order(sums.layout, number)
        terms = _written_out(products, rows, sums.diagonal, estimator, order=order)
        found[number] = _hsic(terms) / length / length[:, None]
    return found


def _hsic(terms: list[Array]) -> Array:
    return terms[0] + terms[1] + terms[2]


def _terms(sums: Sums, estimator: str, *, without: int | None = None) -> list[Array]:
    """Three (T, T) whose sum is HSIC times a constant, over all images or without a group."""
    rows, diagonal, products = sums.rows.sum(axis=1), sums.diagonal, sums.products
    if without is not None:
        own = sums.layout.images_of_group(without)
        rows = np.delete(rows - sums.rows[:, without], own, axis=1)
        diagonal = np.delete(diagonal, own, axis=1)
        products = products - sums.lost[without]
    return _written_out(products, rows, diagonal, estimator)


def _written_out(
    products: npt.NDArray[np.floating],
    rows: Array,
    diagonal: Array,
    estimator: str,
    *,
    order: Order | slice = EVERY,
) -> list[Array]:
    """HSIC's terms from the sums; ``order`` is that of the second tap's images."""
    n = rows.shape[1]
    if estimator == "biased":
        # Gretton et al. (2005): tr(K H L H), written out.
        rows = rows + diagonal
        total = rows.sum(axis=1)
        crossed, outer = -2 / n * (rows @ rows[:, order].T), np.outer(total, total) / n**2
        return [products + diagonal @ diagonal[:, order].T, crossed, outer]
    # Song et al. (2012), eq. 5.
    total = rows.sum(axis=1)
    crossed = -2 / (n - 2) * (rows @ rows[:, order].T)
    return [products, crossed, np.outer(total, total) / ((n - 1) * (n - 2))]
