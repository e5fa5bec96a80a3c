"""Upper tail of the draws of many statistics, all that a permutation test keeps of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.signature import Float32


@dataclass(frozen=True)
class Tail:
    """Upper tail of the draws of some statistics (S,).

    Attributes:
        draws: Number of draws.
        reached: Number of draws that reach the observed value, (S,).
        largest: The largest draws, in no order, (at most ``kept``, S) float32.
        kept: Most draws that are kept.
    """

    draws: int
    reached: npt.NDArray[np.intp]
    largest: Float32
    kept: int

    def joined(self, other: "Tail") -> "Tail":
        """Join with the tail of other draws; the order of joins does not matter."""
        largest = largest_of(np.concatenate([self.largest, other.largest]), self.kept)
        reached = self.reached + other.reached
        return Tail(self.draws + other.draws, reached, largest, self.kept)

    @property
    def significance(self) -> tuple[Array, Array]:
        """Compute p and critical values (S,), for ``Significance``, from the tail of all draws."""
        p = (1 + self.reached) / (1 + self.draws)
        return np.asarray(p, np.float64), self.largest.min(axis=0).astype(np.float64)


def largest_of(draws: Float32, kept: int) -> Float32:
    """Select the ``kept`` largest along the first axis of ``draws``, which is reordered."""
    if len(draws) <= kept:
        return draws
    draws.partition(len(draws) - kept, axis=0)
    return draws[-kept:].copy()
