"""The input of an analysis, a network and images, and errors of parts that a network lacks."""

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
# Images per backward pass, whose graph is kept; such groups of images are left out in turn.
GROUP = 4
# Images per batch, which are left out together; an unbiased estimate takes at least four.
BATCH, SMALLEST_BATCH = 64, 4


class MissingPart(AnalysisError):
    """A model lacks the part that an analysis is about."""


class PartOutOfRange(MissingPart):
    """A model has the part, but not the block, head or token of it that the study chose."""


@dataclass(frozen=True)
class AnalysisInput:
    """A network and the images that an analysis runs on.

    Attributes:
        network: The network, on its device.
        subject: The model of the study.
        images: The image set.
        count: How many images are used, the first of the set.
        forward_batch: Images per forward pass.
        step: The step's name, for messages.
        chosen: The attention and the tokens that the study chose.
    """

    network: Network
    subject: StudyModel
    images: ImageSet
    count: int
    forward_batch: int
    step: str
    chosen: ChosenParts = DEFAULT_PARTS

    def batches(self, *, size: int | None = None, at_least: int = 1) -> Iterator[Tensor]:
        """Yield all images in batches (n, c, h, w), as the network takes them.

        Args:
            size: Images per batch; those of a forward pass if None.
            at_least: A last batch of fewer images joins the one before.

        Raises:
            Stopped: Where the run is to end.
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
        """Cut a batch into pieces of one forward pass each."""
        return batch if len(batch) <= self.forward_batch else torch.split(batch, self.forward_batch)

    def first_images(self) -> Tensor:
        """Return the first images, to try which parts an analysis can measure."""
        return next(forward_batches(self.network, self.images, [range(min(GROUP, self.count))]))


def measurable(
    parts: Sequence[P], measure: Callable[[Sequence[P]], Any]
) -> tuple[list[P], dict[str, str]]:
    """Find the parts that can be measured.

    Args:
        parts: Taps or residual sums.
        measure: Raises ``AnalysisError`` for parts that it cannot measure.

    Returns:
        The parts it can measure, and by name why not the others.

    Raises:
        AnalysisError: Where none can be measured, the first error.
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
    """Turn an ``AnalysisError`` raised inside into ``MissingPart``."""
    try:
        yield
    except MissingPart:
        raise
    except AnalysisError as error:
        raise MissingPart(" ".join(str(error).split())) from error
