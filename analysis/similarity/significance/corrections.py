"""False-discovery rates from p values, and calibrated similarities from critical values."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.significance.permutation_tests import ROUNDING, Null
from seelike.analysis.similarity.significance.permutations import check_finite


def benjamini_hochberg(p: npt.ArrayLike) -> Array:
    """Compute adjusted p values of one family (Benjamini & Hochberg 1995).

    Rejecting q <= level keeps the expected share of false rejections at the level, for tests
    that are independent or positively dependent.

    Args:
        p: The p values, (m,).

    Returns:
        Adjusted p values q, (m,) float64.

    Raises:
        AnalysisError: A p value is outside [0, 1].
    """
    # scipy.stats takes a second to import: only where p values are adjusted.
    from scipy.stats import false_discovery_control

    values = np.asarray(p, np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise AnalysisError(f"p values {values.shape}, expected (m,) between 0 and 1")
    return np.asarray(false_discovery_control(values, method="bh"))


def q_values(
    p: npt.ArrayLike, *, families: npt.ArrayLike | None = None, symmetric: bool = True
) -> Array:
    """Compute adjusted p values of pairs of layers, family by family.

    Args:
        p: The p values of the pairs, (T, T).
        families: A label of the family of each pair, (T, T); one family by default.
        symmetric: Whether (a, b) and (b, a) are one test, which then counts once.

    Returns:
        Adjusted p values q, (T, T) float64. The diagonal, which is no test, keeps its p.

    Raises:
        AnalysisError: Shapes differ.
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


def pair_q(null: Null, *, model: Sequence[str], symmetric: bool = True) -> Array:
    """Adjusted p values of pairs of layers, a family per model and per pair of models.

    Pairs within a model are nearly all true: in one family with them, false pairs across models
    would pass. Within a model q keeps the false-discovery rate of its pairs (Benjamini &
    Hochberg 1995). Across two models it does too, and is no less than the p value of the two
    models corrected for all pairs of models (``Null.corrected``): of all comparisons of
    unrelated models, however many, at most a share of ``level`` has a pair with q <= level.

    Args:
        null: The permutation test of all pairs.
        model: The model of every tap, (T,).
        symmetric: Whether (a, b) and (b, a) are one test. Otherwise the pairs of (A, B) and
            those of (B, A) are two families.

    Returns:
        q (T, T) float64. The diagonal, which is no test, keeps its p.

    Raises:
        AnalysisError: ``model`` does not fit ``null``.
    """
    own = _numbers(null, model)
    first, second = np.meshgrid(own, own, indexing="ij")
    if symmetric:
        first, second = np.minimum(first, second), np.maximum(first, second)
    q = q_values(null.cells.p, families=first * len(null.models) + second, symmetric=symmetric)
    return np.where(first == second, q, np.maximum(q, null.corrected[first, second]))


def match_q(null: Null, *, model: Sequence[str]) -> Array:
    """Adjusted p values of best matches, a family per model and model that is searched.

    Args:
        null: The permutation test of all pairs.
        model: The model of every tap, (T,).

    Returns:
        q (T, models) float64, with the guarantees of ``pair_q``.

    Raises:
        AnalysisError: ``model`` does not fit ``null``.
    """
    own = _numbers(null, model)
    q = np.empty(null.matches.p.shape)
    for one in range(len(null.models)):
        rows = np.flatnonzero(own == one)
        for other in range(len(null.models)):
            found = benjamini_hochberg(null.matches.p[rows, other])
            floor = 0.0 if one == other else null.corrected[one, other]
            q[rows, other] = np.maximum(found, floor)
    return q


def _numbers(null: Null, model: Sequence[str]) -> npt.NDArray[np.intp]:
    """The place among the models of ``null`` of each tap's (T,)."""
    if len(model) != len(null.cells.p) or not set(model) <= set(null.models):
        raise AnalysisError(
            f"{len(model)} taps of {', '.join(dict.fromkeys(model))}, expected the "
            f"{len(null.cells.p)} of {', '.join(null.models)} that were tested"
        )
    return np.array([null.models.index(name) for name in model])


def calibrate(similarity: npt.ArrayLike, critical: npt.ArrayLike) -> Array:
    """Rescale similarities so that the critical value is 0 and identity is 1.

    max((s - tau) / (1 - tau), 0) of Gröger, Wen & Brbić (2026), eq. 12; with critical values of
    matches, eq. 17. Their tau counts the observed value as a draw, which changes tau only
    where both are zero.

    Args:
        similarity: Similarities s, any shape.
        critical: Critical values tau, of the same shape.

    Returns:
        Calibrated similarities, float64 of the same shape.

    Raises:
        AnalysisError: Shapes differ, a number is not finite, or a tau is 1.
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
