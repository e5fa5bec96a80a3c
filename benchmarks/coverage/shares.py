"""Counts of intervals that hold the truth, over data sets of several sizes."""

from collections.abc import Iterator, Mapping

import numpy as np

from seelike.analysis.similarity.intervals.estimate import Estimate

# Number of data sets by number of batches.
Repeats = Mapping[int, int]
# By number and count of batches; cells come as the share of them that hold.
Hits = dict[str, dict[int, list[float]]]
# Numbers that images do not change have intervals of no width.
ROUNDING = 1e-12


def data_sets(repeats: Repeats) -> Iterator[list[int]]:
    """The counts of batches that each draw stands for: fewer batches are the first of more."""
    for at in range(max(repeats.values())):
        yield [count for count, wanted in repeats.items() if at < wanted]


def holds(number: Estimate, truth: float) -> bool:
    """Whether the interval holds the truth."""
    assert number.low is not None and number.high is not None
    return number.low - ROUNDING <= truth <= number.high + ROUNDING


def hit(hits: Hits, name: str, count: int, share: float) -> None:
    """Enter a data set of ``count`` batches."""
    hits.setdefault(name, {}).setdefault(count, []).append(float(share))


def shares(hits: Hits) -> dict[str, dict[int, float]]:
    """The share of data sets that hold the truth."""
    return {
        name: {count: float(np.mean(each)) for count, each in by.items()}
        for name, by in hits.items()
    }
