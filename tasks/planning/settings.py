"""Settings of a study as the steps take them."""

from dataclasses import dataclass
from typing import Any

from seelike.analysis.similarity.measures import FitMeasure
from seelike.analysis.similarity.measures.measure import Measure


@dataclass(frozen=True)
class Statistics:
    """Settings of the statistics of a comparison.

    Attributes:
        skip_degenerate: Leave out taps that are constant over the images.
        permutations: Shuffles of the images per permutation test.
        fit_permutations: The most of them for measures that fit every pair again.
        memory: Bytes that exact measures may take; it changes no result.
    """

    skip_degenerate: bool = False
    permutations: int = 200
    fit_permutations: int = 20
    memory: int = 4 * 10**9

    def shuffles(self, measure: Measure) -> int:
        """Return the permutations of a measure: fewer where each costs a fit of every pair.

        Twice as many for a measure that is not symmetric, where each gives one draw, not two: its
        p values can be as small.
        """
        if not isinstance(measure, FitMeasure):
            return self.permutations
        return min(self.permutations, self.fit_permutations) * (1 if measure.symmetric else 2)

    def identity(self) -> dict[str, Any]:
        """Return the settings that determine a result."""
        return {
            "skip_degenerate": self.skip_degenerate,
            "permutations": self.permutations,
            "fit_permutations": self.fit_permutations,
        }


@dataclass(frozen=True)
class ChosenParts:
    """Parts of networks that a study chooses to show in detail.

    Attributes:
        head_block: The attention whose heads are compared, by number from 0.
        tokens: Row and column of tokens for maps; some spread over the grid if empty.
    """

    head_block: int = 0
    tokens: tuple[tuple[int, int], ...] = ()


DEFAULT_PARTS = ChosenParts()


@dataclass(frozen=True)
class MapDesign:
    """Settings of similarities of models, and of a map of their layers.

    Attributes:
        window: How far apart in depth best matches may be, 0 to 1.
        method: ``mds`` or ``umap``.
        permutations: Shuffles of the images.
        skip_degenerate: Leave out taps that are constant over the images.
        memory: Bytes that may be held; it changes no result.
    """

    window: float
    method: str
    permutations: int
    skip_degenerate: bool
    memory: int

    def identity(self) -> dict[str, Any]:
        """Return the settings that determine a result."""
        return {
            "window": self.window,
            "method": self.method,
            "permutations": self.permutations,
            "skip_degenerate": self.skip_degenerate,
        }
