"""Numbers of a mean over images, and the same numbers over resamples of the images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.similarity.gram import Array
from analysis.similarity.intervals import LEVEL, REPEATS, SEED, Estimate, resamples


@dataclass(frozen=True)
class Resampled:
    """Numbers ``value`` (k,) and the same in every resample, ``drawn`` (repeats, k).

    ``drawn`` is None where one image, or one group of them, leaves nothing to resample. Numbers
    of one image set were drawn over the same resamples, so that they may be subtracted.
    """

    value: Array
    drawn: Array | None

    @property
    def interval(self) -> tuple[Array, Array] | None:
        """The 95 % percentile interval (low, high), each (k,)."""
        if self.drawn is None:
            return None
        low, high = np.quantile(self.drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        return low, high

    def of(self, number: Callable[[Array], Array]) -> "Resampled":
        """One number made of these, a ``Resampled`` again; it takes (n, k) and gives (n,)."""
        drawn = None if self.drawn is None else number(self.drawn)[:, None]
        return Resampled(number(self.value[None]), drawn)

    def __sub__(self, other: "Resampled") -> "Resampled":
        drawn = None
        if self.drawn is not None and other.drawn is not None:
            drawn = self.drawn - other.drawn
        return Resampled(self.value - other.value, drawn)

    @property
    def estimates(self) -> list[Estimate]:
        """Every number with its interval."""
        interval = self.interval
        if interval is None:
            return [Estimate(float(value)) for value in self.value]
        return [
            Estimate(float(value), float(low), float(high))
            for value, low, high in zip(self.value, *interval, strict=True)
        ]


def resampled(
    measured: npt.ArrayLike, number: Callable[[Array], Array] = lambda means: means
) -> Resampled:
    """``number`` of the mean of ``measured`` (images, m), and in resamples of the images.

    ``number`` takes means (n, m) and gives (n, k); left out, it is the mean itself. Memory:
    one mean a resample.
    """
    each = np.asarray(measured, np.float64)
    value = number(each.mean(axis=0)[None])[0]
    if len(each) < 2:
        return Resampled(value, None)
    weights = resamples(len(each), repeats=REPEATS, seed=SEED) / len(each)
    return Resampled(value, number(weights @ each))
