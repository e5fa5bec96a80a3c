"""What p values and critical values become: false-discovery rates, calibrated similarities."""

import numpy as np
import numpy.typing as npt

from analysis.errors import AnalysisError
from analysis.similarity.gram import Array
from analysis.similarity.nulls import ROUNDING
from analysis.similarity.permutations import check_finite


def benjamini_hochberg(p: npt.ArrayLike) -> Array:
    """Adjusted p values, q (m,), of one family of p values (m,): Benjamini & Hochberg (1995).

    Rejecting q <= level keeps the expected share of false rejections at the level, for tests
    that are independent or positively dependent. Raises ``AnalysisError`` for p outside [0, 1].
    """
    values = np.asarray(p, np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise AnalysisError(f"p values {values.shape}, expected (m,) between 0 and 1")
    order = np.argsort(values)[::-1]
    scaled = values[order] * (len(values) / np.arange(len(values), 0, -1))
    q = np.empty_like(values)
    q[order] = np.minimum.accumulate(scaled)
    return q


def q_values(
    p: npt.ArrayLike, *, families: npt.ArrayLike | None = None, symmetric: bool = True
) -> Array:
    """Adjusted p values, q (T, T), of the pairs of taps with p values ``p`` (T, T).

    Every pair counts once, or both ways where the measure is not ``symmetric``; all are one
    family, or those with one label in ``families`` (T, T) are. The diagonal, which is no test,
    keeps its p. Raises ``AnalysisError`` for other shapes.
    """
    values = np.asarray(p, np.float64)
    labels = np.zeros(values.shape) if families is None else np.asarray(families)
    if values.ndim != 2 or len(set(values.shape + labels.shape)) > 1:
        raise AnalysisError(f"p values {values.shape}, families {labels.shape}: expected (T, T)")
    tested = ~np.eye(len(values), dtype=bool)
    rows, columns = np.nonzero(np.triu(tested) if symmetric else tested)
    q = values.copy()
    for label in np.unique(labels[rows, columns]):
        own = labels[rows, columns] == label
        q[rows[own], columns[own]] = benjamini_hochberg(values[rows[own], columns[own]])
    if symmetric:
        q[columns, rows] = q[rows, columns]
    return q


def calibrated(similarity: npt.ArrayLike, critical: npt.ArrayLike) -> Array:
    """``similarity`` on a scale from its ``critical`` value, 0, to 1: float64, of their shape.

    max((s - tau) / (1 - tau), 0) of Gröger, Wen & Brbić (2026), eq. 12; with critical values of
    matches, eq. 17. Their tau counts the observed value as a draw, which changes tau only
    where both are zero. Raises ``AnalysisError`` for shapes that differ and for a tau of 1.
    """
    s, tau = np.asarray(similarity, np.float64), np.asarray(critical, np.float64)
    if s.shape != tau.shape:
        raise AnalysisError(f"similarities {s.shape}, critical values {tau.shape}: not the same")
    check_finite(s, "similarities")
    check_finite(tau, "critical values")
    if (tau >= 1 - ROUNDING).any():
        where = tuple(int(i) for i in np.argwhere(tau >= 1 - ROUNDING)[0])
        raise AnalysisError(
            f"the critical value at {where} is 1: so few images that shuffles repeat them; use "
            "larger batches"
        )
    return np.asarray(np.maximum((s - tau) / (1 - tau), 0.0))
