"""TODO."""

from dataclasses import dataclass
from typing import Any

from seelike.analysis.similarity.measures import FitMeasure
from seelike.analysis.similarity.measures.measure import Measure


@dataclass(frozen=True)
class Statistics:
    """What is computed beside the similarities, and how much memory may be used."""

    skip_degenerate: bool = False
    permutations: int = 200
    fit_permutations: int = 20
    memory: int = 4 * 10**9

    def shuffles(self, measure: Measure) -> int:
        """How many permutations ``measure`` gets: fewer where each costs a fit of every pair.

        Twice as many where they give one draw, not two, so that as small a p can be had.
        """
        if not isinstance(measure, FitMeasure):
            return self.permutations
        return min(self.permutations, self.fit_permutations) * (1 if measure.symmetric else 2)

    def identity(self) -> dict[str, Any]:
        """What of it determines a result."""
        return {
            "skip_degenerate": self.skip_degenerate,
            "permutations": self.permutations,
            "fit_permutations": self.fit_permutations,
        }


@dataclass(frozen=True)
class Chosen:
    """Which parts a study looks at closely: an attention by number, tokens by row and column.

    Without ``tokens`` some are taken that are spread over the grid.
    """

    head_block: int = 0
    tokens: tuple[tuple[int, int], ...] = ()


USUAL = Chosen()


@dataclass(frozen=True)
class MapDesign:
    """How models and a map are made of all pairs of layers.

    ``window`` is how far in depth best matches may be, ``method`` mds or umap. ``memory`` in
    bytes may be held beside; it changes no result.
    """

    window: float
    method: str
    permutations: int
    skip_degenerate: bool
    memory: int

    def identity(self) -> dict[str, Any]:
        """What of it determines a result."""
        return {
            "window": self.window,
            "method": self.method,
            "permutations": self.permutations,
            "skip_degenerate": self.skip_degenerate,
        }
