"""The protocol by which a forward pass hands over the activations of a batch, tap by tap."""

from types import TracebackType
from typing import Protocol, Self

from torch import Tensor

from seelike.analysis.networks.layers.tap import Tap


class Sink(Protocol):
    """Takes the activations of one model, and writes what it keeps of them to the store.

    A context: threads that write run inside, and on leaving it everything finished is written.
    Per batch ``begin`` is called, ``take`` for every tap, and ``finish``; a batch that was not
    finished stays missing. An error of a write is raised by a later call, or on leaving.
    """

    @property
    def name(self) -> str:
        """The digest of what is written, for locks."""

    def missing(self) -> list[int]:
        """Return the batches that are not complete, in order."""

    def begin(self, batch: int) -> None:
        """Begin a batch: activations taken next belong to it."""

    def take(self, tap: Tap, activations: Tensor) -> None:
        """Take the activations of one tap for the whole batch.

        Called inside the forward hook.

        Args:
            tap: The tap.
            activations: float32 (images, *feature), on the network's device; valid during the
                call alone.

        Raises:
            NonFinite: For NaN and infinity, with row and layer.
            UnfitLayer: For activations that a measure cannot take.
        """

    def finish(self) -> None:
        """Begin to write what was taken; the batch is complete once all of it is on disk.

        Raises as ``take``, for what a device had not computed then.
        """

    def __enter__(self) -> Self:
        """Start the threads that write."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until everything finished is written; raise the error of a write."""
