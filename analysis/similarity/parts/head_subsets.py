"""Similarity of subsets of attention heads, local to global, to layers of another network.

Raghu et al. (2021), figure 5: subsets of a ViT's first heads by their mean attention distance, and
CKA of their outputs with the lowest layers of a ResNet.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.intervals.jackknife import Jackknifed, jackknifed
from seelike.analysis.similarity.signature import Float32

# A subset has a quarter of the heads: enough to be a layer, few enough to be local or global.
SHARE = 4


@dataclass(frozen=True)
class Parts:
    """Signatures of the parts of a network on batches of images.

    Attributes:
        directions: Unit signatures, zero beyond the pairs of a short batch, (batches, parts,
            pairs).
        lengths: Lengths of the signatures, (batches, parts).
    """

    directions: Float32
    lengths: Array

    def hsic(self, other: "Parts") -> Array:
        """Compute HSICs (batches, parts, other parts) with other parts on the same images."""
        cosines = self.directions @ other.directions.transpose(0, 2, 1)
        return np.asarray(
            cosines.astype(np.float64) * self.lengths[:, :, None] * other.lengths[:, None, :]
        )


@dataclass(frozen=True)
class Agreement:
    """Subsets of heads in order of their mean distance, and their CKA with layers.

    The correlation is over single heads. Subsets overlap, so where heads are about equally local,
    and their order is chance, a correlation over subsets would be far from zero without meaning.

    Attributes:
        distance: Mean attention distance of each subset, (subsets,).
        cka: CKA of each subset with each layer, layers fastest, (subsets * layers,).
        correlation: Pearson's correlation of single heads' distance and CKA, (layers,); None for
            fewer than 3 heads.
    """

    subsets: tuple[tuple[int, ...], ...]
    distance: Jackknifed
    cka: Jackknifed
    correlation: Jackknifed | None


def subsets(distances: npt.ArrayLike) -> tuple[tuple[int, ...], ...]:
    """Form subsets of heads with neighbouring mean distances, local to global.

    Args:
        distances: Mean attention distance of each head, (heads,).

    Returns:
        The heads of each subset: a quarter of the heads, at least one.
    """
    order = [int(head) for head in np.argsort(np.asarray(distances), kind="stable")]
    size = max(1, len(order) // SHARE)
    return tuple(tuple(order[i : i + size]) for i in range(len(order) - size + 1))


def agreement(
    heads: Parts, distances: npt.ArrayLike, layers: Parts, *, images: npt.ArrayLike | None = None
) -> Agreement:
    """Compute CKA of subsets of heads with each layer, also without each batch.

    The Gram matrix of concatenated heads is the sum of theirs, so that their HSICs add up.

    Args:
        heads: Signatures of the heads.
        distances: Mean attention distance of each head, (batches, heads).
        layers: Signatures of the layers, on the same images.
        images: Images per batch, (batches,); the same for all if left out.

    Raises:
        AnalysisError: Batches differ, or a head or layer is constant over the images.
    """
    each = np.asarray(distances, np.float64)
    if heads.lengths.shape != each.shape or len(layers.lengths) != len(each):
        raise AnalysisError(
            f"heads of shape {heads.lengths.shape}, distances {each.shape} and layers "
            f"{layers.lengths.shape}, expected (batches, heads) twice and (batches, layers)"
        )
    for name, parts in (("head", heads), ("layer", layers)):
        if not parts.lengths.any(axis=0).all():
            constant = int(np.flatnonzero(~parts.lengths.any(axis=0))[0])
            raise AnalysisError(f"{name} {constant} is constant over the images; take others")
    images = np.ones(len(each)) if images is None else images
    chosen = subsets(each.mean(axis=0))
    member = np.zeros((len(chosen), each.shape[1]))
    for row, subset in enumerate(chosen):
        member[row, list(subset)] = 1
    between, within = heads.hsic(layers), heads.hsic(heads)
    own = np.einsum("sh,bhk,sk->bs", member, within, member)
    crossed = np.einsum("sh,bhl->bsl", member, between)
    layer = (layers.lengths**2)[:, None]
    rows = [each @ member.T / member.sum(axis=1), own, layer[:, 0], crossed]
    measured = np.concatenate([row.reshape(len(each), -1) for row in rows], axis=1)
    s, n = len(chosen), layers.lengths.shape[1]

    return Agreement(
        subsets=chosen,
        distance=jackknifed(measured, lambda means: means[:, :s], images=images),
        cka=jackknifed(measured, partial(_ckas, groups=s, layers=n), images=images),
        correlation=_correlation(heads, each, layers, images=images),
    )


def _correlation(
    heads: Parts, distances: Array, layers: Parts, *, images: npt.ArrayLike
) -> Jackknifed | None:
    """The correlation over single heads (layers,), which needs no order of them."""
    count, n = distances.shape[1], layers.lengths.shape[1]
    if count < 3:
        return None
    rows = [distances, heads.lengths**2, layers.lengths**2, heads.hsic(layers)]
    measured = np.concatenate([row.reshape(len(distances), -1) for row in rows], axis=1)

    def correlations(means: Array) -> Array:
        cka = _ckas(means, groups=count, layers=n).reshape(-1, count, n)
        return np.stack([correlation(means[:, :count], cka[:, :, at]) for at in range(n)], axis=1)

    return jackknifed(measured, correlations, images=images)


def _ckas(means: Array, *, groups: int, layers: int) -> Array:
    """CKA (k, groups * layers) of means (k, ...): distances, own HSICs of both, HSICs across."""
    s, n = groups, layers
    ours, theirs = means[:, s : 2 * s, None], means[:, 2 * s : 2 * s + n][:, None]
    both = means[:, 2 * s + n :].reshape(-1, s, n)
    return np.asarray((both / np.sqrt(ours * theirs)).reshape(len(means), -1))


def correlation(x: Array, y: Array) -> Array:
    """Compute Pearson's correlation of each row of ``x`` and ``y``.

    Args:
        x: Values, (n, k) with k >= 2.
        y: Values, (n, k).

    Returns:
        Correlations, (n,).

    Raises:
        AnalysisError: All values of a row are equal.
    """
    apart = [each - each.mean(axis=1, keepdims=True) for each in (x, y)]
    lengths = [np.sqrt((each**2).sum(axis=1)) for each in apart]
    if not all(length.all() for length in lengths):
        raise AnalysisError("heads are all alike in distance or CKA: no correlation")
    return np.asarray((apart[0] * apart[1]).sum(axis=1) / lengths[0] / lengths[1])
