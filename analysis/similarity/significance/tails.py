"""The upper tail of the draws of many statistics: all that a permutation test keeps of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.signature import Float32


@dataclass(frozen=True)
class Tail:
    """What is kept of the draws of some statistics (S,), whatever their number.

    ``reached`` (S,): how many of the ``draws`` reached the observed value. ``largest``
    (at most ``kept``, S) float32: the largest draws, in no order.
    """

    draws: int
    reached: npt.NDArray[np.intp]
    largest: Float32
    kept: int

    def joined(self, other: "Tail") -> "Tail":
        """The tail of the draws of both; the same in whatever order tails are joined."""
        largest = largest_of(np.concatenate([self.largest, other.largest]), self.kept)
        reached = self.reached + other.reached
        return Tail(self.draws + other.draws, reached, largest, self.kept)

    @property
    def significance(self) -> tuple[Array, Array]:
        """Of the tail of all draws p and critical values (S,), as ``Significance`` has them."""
        p = (1 + self.reached) / (1 + self.draws)
        return np.asarray(p, np.float64), self.largest.min(axis=0).astype(np.float64)


def largest_of(drawn: Float32, kept: int) -> Float32:
    """The ``kept`` largest along the first axis of ``drawn``, which is reordered."""
    if len(drawn) <= kept:
        return drawn
    drawn.partition(len(drawn) - kept, axis=0)
    return drawn[-kept:].copy()
