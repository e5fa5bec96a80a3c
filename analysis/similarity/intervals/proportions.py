"""Shares of images that are put into the right class, and differences of two, with intervals."""

import numpy as np

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.intervals.jackknife import Estimate

# The 97.5 % point of the normal distribution.
_Z = 1.959963984540054


def share(correct: int, total: int) -> Estimate:
    """``correct`` of ``total`` with its 95 % interval (Wilson 1927).

    Raises ``AnalysisError`` for counts that are none.
    """
    if not 0 <= correct <= total or not total:
        raise AnalysisError(f"{correct} right of {total}, expected 0 <= right <= total, total > 0")
    value = correct / total
    centre = (value + _Z**2 / (2 * total)) / (1 + _Z**2 / total)
    half = _Z * np.sqrt(value * (1 - value) / total + _Z**2 / (4 * total**2))
    half /= 1 + _Z**2 / total
    return Estimate(value, float(centre - half), float(centre + half))


def difference(first: Estimate, second: Estimate) -> Estimate:
    """One ``share`` minus another with its 95 % interval (Newcombe 1998, method 10).

    As of two sets of images; where both were tested on one set it is wider than it need be.
    """
    assert first.low is not None and first.high is not None
    assert second.low is not None and second.high is not None
    value = first.value - second.value
    down = np.hypot(first.value - first.low, second.high - second.value)
    up = np.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, float(value - down), float(value + up))
