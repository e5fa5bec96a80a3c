"""Classical multidimensional scaling of very many layers, from rows read in a few passes."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.models.layers import Rows, angular, blocks

# Vectors per pass, the most passes, and the relative residual of an eigenpair.
WIDTH, PASSES, TOLERANCE = 8, 60, 1e-9
SEED = 0
# A direction of which rounding leaves as little as this is no new one.
_NOTHING = 1e-10


@dataclass(frozen=True)
class ClassicalScaling:
    """A map of layers by classical scaling.

    Attributes:
        coordinates: Places of the layers, (T, dimensions) float64.
        shares: Share of the sum of squared distances that each axis shows, (dimensions,).
        negative: Bounds (low, high) of the weight of negative eigenvalues in the sum of all
            squared eigenvalues, which no Euclidean map shows.
        passes: How often the rows were read.
    """

    coordinates: Array
    shares: Array
    negative: tuple[float, float]
    passes: int


def classical_mds(
    rows: Rows, depth: npt.ArrayLike, *, dimensions: int = 2, step: int | None = None
) -> ClassicalScaling:
    """Map layers by classical scaling of the angles between them (Torgerson 1952; Gower 1966).

    The leading eigenvectors of B = -J D² J / 2, D the angles of the similarities ``rows`` and J
    the centring, times the roots of their eigenvalues. B is not held: a block Krylov space with
    full orthogonalisation (Golub and Underwood 1977) grows by ``WIDTH`` vectors each time rows
    are read, until the eigenpairs hold to ``TOLERANCE``. Memory: 2 x ``WIDTH`` x passes x T.

    Args:
        rows: Reads similarities of layers.
        depth: Depths of the layers, (T,); every axis points to where deeper layers lie.
        dimensions: Dimensions of the map.
        step: Rows per read; as many as 64 MB hold by default.

    Returns:
        The map.

    Raises:
        AnalysisError: The angles have fewer dimensions, or as ``layers.blocks``.
    """
    deep = np.asarray(depth, np.float64)
    sums = _Sums(np.zeros(len(deep)), np.zeros(len(deep)))
    product = partial(_product, rows, step=step)
    start = np.random.default_rng(SEED).normal(size=(len(deep), WIDTH))
    basis = np.empty((len(deep), 0))
    image = np.empty((len(deep), 0))
    passes, settled = 0, False
    new = _orthogonal(start - start.mean(axis=0), basis)
    values, vectors = np.empty(0), np.empty((0, 0))
    while new.shape[1] and not settled:
        if passes == PASSES:
            raise AnalysisError(
                f"the leading eigenvectors did not settle in {PASSES} passes over the similarities"
            )
        moved = product(new, sums=sums if passes == 0 else None)
        passes += 1
        basis, image = np.hstack([basis, new]), np.hstack([image, moved])
        inner = basis.T @ image
        values, vectors = np.linalg.eigh((inner + inner.T) / 2)
        leading = vectors[:, ::-1][:, :dimensions]
        away = image @ leading - (basis @ leading) * values[::-1][:dimensions]
        settled = bool(
            np.linalg.norm(away, axis=0).max() <= TOLERANCE * np.abs(values).max()
            and leading.shape[1] == dimensions
        )
        new = _orthogonal(moved, basis)
    return _found(basis, values, vectors, sums, deep, dimensions=dimensions, passes=passes)


@dataclass(frozen=True)
class _Sums:
    """Sums of squared angles (T,), and of their squares, of every layer's row."""

    squared: Array
    fourth: Array

    @property
    def trace(self) -> float:
        """The sum of all eigenvalues of B: half of the mean squared angle, times T."""
        return float(self.squared.sum() / 2 / len(self.squared))

    @property
    def squares(self) -> float:
        """The sum of all squared eigenvalues of B."""
        count, means = len(self.squared), self.squared / len(self.squared)
        centred = self.fourth.sum() - 2 * count * (means**2).sum() + (count * means.mean()) ** 2
        return float(centred / 4)


def _product(rows: Rows, vectors: Array, *, step: int | None, sums: _Sums | None) -> Array:
    """B times ``vectors`` (T, k), which are centred; ``sums`` are filled on the way if given."""
    result = np.empty_like(vectors)
    for start, block in blocks(rows, len(vectors), step=step):
        squared = angular(block) ** 2
        own = np.arange(len(squared))
        # Float32 leaves a layer's similarity with itself a little below 1.
        squared[own, start + own] = 0.0
        result[start : start + len(squared)] = squared @ vectors
        if sums is not None:
            sums.squared[start : start + len(squared)] = squared.sum(axis=1)
            sums.fourth[start : start + len(squared)] = (squared**2).sum(axis=1)
    return np.asarray((result.mean(axis=0) - result) / 2)


def _orthogonal(vectors: Array, basis: Array) -> Array:
    """An orthonormal basis of what ``vectors`` add to ``basis``; rounding adds nothing."""
    size = np.linalg.norm(vectors, axis=0)
    if not size.any():
        return vectors[:, :0]
    new = vectors[:, size > 0] / size[size > 0]
    # Twice is enough (Giraud et al. 2005).
    for _ in range(2):
        new = new - basis @ (basis.T @ new)
        left, length, _ = np.linalg.svd(new, full_matrices=False)
        new = left[:, length > _NOTHING]
    room = len(vectors) - 1 - basis.shape[1]
    return np.asarray(new[:, : max(0, room)])


def _found(
    basis: Array,
    values: Array,
    vectors: Array,
    sums: _Sums,
    depth: Array,
    *,
    dimensions: int,
    passes: int,
) -> ClassicalScaling:
    """The leading ``dimensions`` of the space that was found."""
    order = np.argsort(values)[::-1][:dimensions]
    largest = float(np.abs(values).max(initial=0.0))
    if len(order) < dimensions or not (values[order] > _NOTHING * largest).all() or not largest:
        raise AnalysisError(
            f"the angles of {len(depth)} layers have fewer than {dimensions} dimensions; a map "
            "takes layers that differ in more ways"
        )
    coordinates = (basis @ vectors[:, order]) * np.sqrt(values[order])
    towards = (depth - depth.mean()) @ coordinates
    signs = np.where(towards < 0, -1.0, 1.0)
    squares = sums.squares
    negative = float((values[values < 0] ** 2).sum()) / squares
    positive = float((values[values > 0] ** 2).sum()) / squares
    return ClassicalScaling(
        coordinates * signs,
        values[order] / sums.trace,
        # Those not found may be of either sign.
        (min(negative, 1.0), min(max(1 - positive, negative), 1.0)),
        passes,
    )
