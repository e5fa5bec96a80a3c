"""A network and its images as an analysis sees them, and which of its parts it can be asked of."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.anatomy.residuals import Residual
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import Batch
from seelike.storage.images import ImageSet
from seelike.tasks.planning.plans import StudyModel
from seelike.tasks.planning.settings import DEFAULT_PARTS, ChosenParts
from seelike.tasks.recording.image_loader import forward_batches
from seelike.tasks.runtime.cancellation import check
from seelike.tasks.runtime.progress import progress

P = TypeVar("P", Tap, Residual)
# Images a backward pass: its graph is kept, and such groups of images are left out in turn.
GROUP = 4
# Images per batch, which are left out together; an unbiased estimate takes at least four.
GRAM, LEAST = 64, 4


class MissingPart(AnalysisError):
    """A model lacks the part that an analysis is about."""


class PartOutOfRange(MissingPart):
    """A model has the part, but not the block, head or token of it that the study chose."""


@dataclass(frozen=True)
class AnalysisInput:
    """A network, and the first ``count`` images as it takes them; ``step`` names it in messages.

    ``chosen`` are the parts that are to be looked at closely.
    """

    network: Network
    subject: StudyModel
    images: ImageSet
    count: int
    forward_batch: int
    step: str
    chosen: ChosenParts = DEFAULT_PARTS

    def batches(self, *, size: int | None = None, at_least: int = 1) -> Iterator[Tensor]:
        """All images (n, c, h, w), ``size`` at a time; ends early where the run is to end.

        A last batch of fewer than ``at_least`` joins the one before.
        """
        each = size or self.forward_batch
        pieces = [range(i, min(i + each, self.count)) for i in range(0, self.count, each)]
        if len(pieces) > 1 and len(pieces[-1]) < at_least:
            pieces[-2:] = [range(pieces[-2].start, self.count)]
        with progress(self.step, total=self.count, unit="images") as shown:
            batches = forward_batches(self.network, self.images, pieces)
            for piece, batch in zip(pieces, batches, strict=True):
                check(self.step)
                yield batch
                shown.advance(len(piece))

    def pieces(self, batch: Tensor) -> Batch:
        """``batch`` in pieces of a forward pass each."""
        return batch if len(batch) <= self.forward_batch else torch.split(batch, self.forward_batch)

    def first_images(self) -> Tensor:
        """The first images, to try out which parts an analysis can take."""
        return next(forward_batches(self.network, self.images, [range(min(GROUP, self.count))]))


def measurable(
    parts: Sequence[P], measure: Callable[[Sequence[P]], Any]
) -> tuple[list[P], dict[str, str]]:
    """Those of ``parts`` that ``measure`` takes, and by name why not the others.

    Raises what it says of the first where none is left.
    """
    try:
        measure(parts)
    except AnalysisError as error:
        refused = error
    else:
        return list(parts), {}
    kept, why_not = [], {}
    for part in parts:
        try:
            measure([part])
            kept.append(part)
        except AnalysisError as error:
            why_not[part.name] = " ".join(str(error).split())
    if not kept:
        raise refused
    return kept, why_not


@contextmanager
def looking_for_parts() -> Iterator[None]:
    """Inside, the parts of a network are looked for: an error is that it lacks them."""
    try:
        yield
    except MissingPart:
        raise
    except AnalysisError as error:
        raise MissingPart(" ".join(str(error).split())) from error
