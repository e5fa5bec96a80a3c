"""Shares of correctly classified images, and differences of two shares, with intervals."""

import numpy as np

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.intervals.estimate import Estimate


def share(correct: int, total: int) -> Estimate:
    """Compute ``correct`` of ``total`` with its 95 % interval (Wilson 1927).

    Raises ``AnalysisError`` unless 0 <= correct <= total and total > 0.
    """
    # scipy.stats takes a second to import: only where an interval is computed.
    from scipy.stats import binomtest

    if not 0 <= correct <= total or not total:
        raise AnalysisError(
            f"{correct} correct of {total}, expected 0 <= correct <= total, total > 0"
        )
    interval = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    return Estimate(correct / total, float(interval.low), float(interval.high))


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Compute one ``share`` minus another with its 95 % interval (Newcombe 1998, method 10).

    The shares count as of two sets of images; of one set the interval is wider than needed.
    """
    assert first.low is not None and first.high is not None
    assert second.low is not None and second.high is not None
    value = first.value - second.value
    down = np.hypot(first.value - first.low, second.high - second.value)
    up = np.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, float(value - down), float(value + up))
