"""The layers of all models in one list, and their similarities, read by blocks of rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.cka import ROUNDING
from seelike.analysis.similarity.gram import Array

# Similarities of layers ``start`` to ``stop`` with all layers: (stop - start, T) float.
Rows = Callable[[int, int], npt.NDArray[np.floating]]
# Float64 numbers that a block of rows may hold: 64 MB.
HELD = 2**23


@dataclass(frozen=True)
class Layers:
    """The layers of all models, those of one model together, from input to output.

    Attributes:
        model: The model of each layer, (T,).
        depth: The depth of each layer, 0 at the input and 1 at the output, (T,).

    Raises:
        AnalysisError: Lengths differ, there are no layers, a model stands in two places, or
            depths are outside 0 to 1 or do not ascend within a model.
    """

    model: Sequence[str]
    depth: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.model) != len(self.depth) or not len(self.model):
            raise AnalysisError(
                f"{len(self.model)} layers with {len(self.depth)} depths, expected as many, and "
                "one at least"
            )
        if sum(stop - start for start, stop in self.ranges.values()) != len(self.model):
            doubled = [name for name in self.ranges if not self._together(name)]
            raise AnalysisError(
                f"the layers of {doubled[0]!r} stand in two places; expected each model's together"
            )
        for name in self.models:
            own = self.depths(name)
            if not (np.diff(own) >= 0).all() or not (0 <= own[0] <= own[-1] <= 1):
                raise AnalysisError(
                    f"depths {own.tolist()} of {name!r}, expected to ascend between 0 and 1"
                )

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The models, in the layers' order."""
        return tuple(self.ranges)

    @cached_property
    def ranges(self) -> dict[str, tuple[int, int]]:
        """The place of each model's first layer, and the place after its last."""
        found: dict[str, tuple[int, int]] = {}
        for place, name in enumerate(self.model):
            start, stop = found.get(name, (place, place))
            found[name] = (start, place + 1 if stop == place else stop)
        return found

    def depths(self, model: str) -> Array:
        """The depths of one model's layers."""
        start, stop = self.ranges[model]
        return np.asarray(self.depth[start:stop], np.float64)

    def _together(self, name: str) -> bool:
        start, stop = self.ranges[name]
        return sum(own == name for own in self.model) == stop - start


def blocks(rows: Rows, layers: int, *, step: int | None = None) -> Iterator[tuple[int, Array]]:
    """Read all rows in blocks of ``step``, or of as many as 64 MB hold.

    Yields the first row of each block and the block, float64. Raises ``AnalysisError`` for a
    block of another shape, and for similarities that are not finite or outside -1 to 1.
    """
    size = step or max(1, HELD // layers)
    for start in range(0, layers, size):
        stop = min(start + size, layers)
        yield start, read(rows, start, stop, layers=layers)


def read(rows: Rows, start: int, stop: int, *, layers: int) -> Array:
    """Read rows ``start`` to ``stop`` of the similarities of ``layers``; errors as ``blocks``."""
    block = np.asarray(rows(start, stop), np.float64)
    if block.shape != (stop - start, layers):
        raise AnalysisError(
            f"rows {start} to {stop} are {block.shape}, expected ({stop - start}, {layers})"
        )
    # NaN fails this, too.
    if not (np.abs(block) <= 1 + ROUNDING).all():
        row, column = np.argwhere(~(np.abs(block) <= 1 + ROUNDING))[0]
        raise AnalysisError(
            f"the similarity of layers {start + row} and {column} is {block[row, column]}, "
            "expected -1 to 1; compute the comparison again"
        )
    return block


def angular(similarity: npt.ArrayLike) -> Array:
    """Angles (radians) whose cosines are the similarities: 0 for 1, pi / 2 for 0.

    A metric where similarities are cosines, as CKA is (Williams et al. 2021).
    """
    return np.arccos(np.clip(np.asarray(similarity, np.float64), -1.0, 1.0))
