"""Ridge regression in closed form, for a whole grid of penalties from one eigendecomposition."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import Array

# Penalties, as multiples of an example's mean squared length, which is the mean eigenvalue of
# the examples' Gram matrix.
GRID = 10.0 ** np.arange(-4.0, 3.5, 0.5)


@dataclass(frozen=True)
class Path:
    """The ridge regressions of one problem for all penalties, each with an intercept.

    The weights for penalty λ are ``basis`` (p, r) @ (``coefficients`` (r, c) / (``values`` (r,)
    + λ)), so that min over W of ‖Y - X W‖² + λ ‖W / scale‖² is reached, X (m, p) and Y (m, c)
    about their means ``centre`` (p,) and ``level`` (c,). ``unit`` is the mean squared length of a
    standardised example. All float64.
    """

    centre: Array
    level: Array
    basis: Array
    values: Array
    coefficients: Array
    unit: float

    def scores(self, x: npt.ArrayLike) -> Array:
        """What all penalties of ``GRID`` predict of ``x`` (n, p): (penalties, c, n)."""
        inner = self.basis.T @ (np.asarray(x, np.float64) - self.centre).T
        shrunk = self.coefficients.T / (self.values + self.unit * GRID[:, None, None])
        found = shrunk.reshape(-1, len(self.values)) @ inner
        return found.reshape(len(GRID), len(self.level), -1) + self.level[:, None]

    def weights(self, penalty: float) -> tuple[Array, Array]:
        """Weights (p, c) on the features as they come, and intercept (c,), for one ``penalty``."""
        weights = self.basis @ (self.coefficients / (self.values + penalty)[:, None])
        return weights, self.level - self.centre @ weights


def from_rows(x: npt.ArrayLike, y: npt.ArrayLike, *, scale: npt.ArrayLike) -> Path:
    """The regressions from ``x`` (m, p) to ``y`` (m, c), features divided by ``scale`` (p,).

    By the examples' Gram matrix where there are fewer of them than features (dual), by the
    features' scatter matrix otherwise (primal); both give the same weights. A feature whose
    ``scale`` is infinite counts for nothing.
    """
    values, targets = np.asarray(x, np.float64), np.asarray(y, np.float64)
    inverse = 1.0 / np.asarray(scale, np.float64)
    centre, level = values.mean(axis=0), targets.mean(axis=0)
    centred, aims = (values - centre) * inverse, targets - level
    if len(centred) >= centred.shape[1]:
        return from_moments(
            centred.T @ centred,
            centred.T @ aims,
            centre=centre,
            level=level,
            inverse=inverse,
            examples=len(centred),
        )
    eigenvalues, vectors = _eigen(centred @ centred.T)
    return Path(
        centre=centre,
        level=level,
        basis=inverse[:, None] * (centred.T @ vectors),
        values=eigenvalues,
        coefficients=vectors.T @ aims,
        unit=_unit(eigenvalues, len(centred)),
    )


def from_moments(
    scatter: Array, cross: Array, *, centre: Array, level: Array, inverse: Array, examples: int
) -> Path:
    """The same from sums over the ``examples``, whose features were multiplied by ``inverse``.

    ``scatter`` (p, p) and ``cross`` (p, c) are about the means ``centre`` and ``level``.
    """
    eigenvalues, vectors = _eigen(scatter)
    return Path(
        centre=centre,
        level=level,
        basis=inverse[:, None] * vectors,
        values=eigenvalues,
        coefficients=vectors.T @ cross,
        unit=_unit(eigenvalues, examples),
    )


def _eigen(matrix: Array) -> tuple[Array, Array]:
    values, vectors = np.linalg.eigh(matrix)
    return np.maximum(values, 0.0), vectors


def _unit(eigenvalues: Array, examples: int) -> float:
    # Features that do not vary have weights of zero, whatever the penalty.
    return float(eigenvalues.sum()) / examples or 1.0
