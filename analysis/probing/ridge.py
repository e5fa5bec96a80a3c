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

    The weights for penalty λ are ``basis`` @ (``coefficients`` / (``values`` + λ)). They minimise
    ‖Y - X W‖² + λ ‖W / scale‖² over W, with X (m, p) and Y (m, c) about their means.

    Attributes:
        centre: Means of the features, (p,), float64 like all others.
        level: Means of the targets, (c,).
        basis: (p, r).
        values: Eigenvalues, (r,).
        coefficients: (r, c).
        unit: Mean squared length of a standardised example.
    """

    centre: Array
    level: Array
    basis: Array
    values: Array
    coefficients: Array
    unit: float

    def scores(self, x: npt.ArrayLike) -> Array:
        """Predictions of all penalties of ``GRID`` for ``x`` (n, p): (penalties, c, n)."""
        inner = self.basis.T @ (np.asarray(x, np.float64) - self.centre).T
        shrunk = self.coefficients.T / (self.values + self.unit * GRID[:, None, None])
        found = shrunk.reshape(-1, len(self.values)) @ inner
        return found.reshape(len(GRID), len(self.level), -1) + self.level[:, None]

    def weights(self, penalty: float) -> tuple[Array, Array]:
        """Weights (p, c) for unscaled features, and intercept (c,), for one ``penalty``."""
        weights = self.basis @ (self.coefficients / (self.values + penalty)[:, None])
        return weights, self.level - self.centre @ weights


def from_rows(x: npt.ArrayLike, y: npt.ArrayLike, *, scale: npt.ArrayLike) -> Path:
    """Solve ridge regressions from examples.

    With fewer examples than features by the examples' Gram matrix (dual), else by the features'
    scatter matrix (primal); both give the same weights.

    Args:
        x: Features (m, p).
        y: Targets (m, c).
        scale: Divisor of each feature, (p,); a feature of infinite scale gets no weight.

    Returns:
        The regressions for all penalties.
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
    """Solve ridge regressions from sums over examples.

    Args:
        scatter: Scatter of the scaled features about their means, (p, p).
        cross: Their products with the targets, (p, c).
        centre: Means of the unscaled features, (p,).
        level: Means of the targets, (c,).
        inverse: Factor of each feature, (p,).
        examples: Number of examples.

    Returns:
        The regressions for all penalties.
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
