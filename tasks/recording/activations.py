"""Keeping activations: written tap by tap, while the forward pass goes on to the next tap."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import Tensor

from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.similarity import check_finite
from seelike.storage.arrays import recordings
from seelike.storage.arrays.recordings import Recording
from seelike.storage.store import Store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.recording.activation_errors import in_layer

# Bytes of copies that may wait for the disk; a pass that is ahead of it by more waits itself.
WAITING_BYTES = 2**29


def create_recording(plan: ModelPlan, *, store: Store) -> Recording:
    """Create the recording of ``plan`` with its metadata, or open the one that is there."""
    return recordings.create(
        store,
        plan.identity,
        shapes={tap.name: tap.shape for tap in plan.taps},
        bounds=plan.bounds,
        batch=plan.batch,
        attributes={"model": plan.name, "facts": plan.facts},
    )


class ActivationSink:
    """Writes activations to a recording, each tap's while the pass goes on to the next (``Sink``).

    After a write that failed, its batch and those after it are never marked complete.
    """

    def __init__(self, kept: Recording) -> None:
        self.kept = kept
        self.batch = 0
        self._sums: dict[str, Future[int]] = {}
        self._waiting: deque[tuple[int, Future[int]]] = deque()
        self._marked: list[Future[None]] = []
        self._writers: ThreadPoolExecutor
        self._marker: ThreadPoolExecutor

    @property
    def name(self) -> str:
        """The recording's digest."""
        return self.kept.name

    def missing(self) -> list[int]:
        """Return the batches that are not complete, in order."""
        return self.kept.missing()

    def __enter__(self) -> Self:
        self._waiting.clear()
        self._marked.clear()
        self._writers = ThreadPoolExecutor(self.kept.place.at_once)
        self._marker = ThreadPoolExecutor(1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Waits, also where the pass has failed: a batch that was computed is not lost.
        self._writers.shutdown()
        self._marker.shutdown()
        if kind is None:
            self._raise_failures()

    def begin(self, batch: int) -> None:
        """Begin a batch: activations taken next belong to it."""
        self.batch, self._sums = batch, {}

    def take(self, tap: Tap, activations: Tensor) -> None:
        """Begin to write a copy of one tap's activations.

        Args:
            tap: The tap.
            activations: float32 (images, *feature) of the whole batch.

        Raises:
            NonFinite: For NaN and infinity, with row and layer.
        """
        values = _copied(tap.name, activations)
        while self._waiting and (
            self._waiting[0][1].done()
            or sum(size for size, _ in self._waiting) + values.nbytes > WAITING_BYTES
        ):
            self._waiting.popleft()[1].result()
        written = self._writers.submit(self.kept.write_tap, self.batch, tap.name, values)
        self._waiting.append((values.nbytes, written))
        self._sums[tap.name] = written

    def finish(self) -> None:
        """Mark the batch as complete once all of its taps are written."""
        self._raise_failures(wait=False)
        self._marked.append(self._marker.submit(self._mark, self.batch, self._sums))

    def _mark(self, batch: int, sums: dict[str, "Future[int]"]) -> None:
        self._raise_failures(wait=False)
        self.kept.complete(batch, {tap: written.result() for tap, written in sums.items()})

    def _raise_failures(self, *, wait: bool = True) -> None:
        for one in self._marked:
            if wait or one.done():
                one.result()


def _copied(layer: str, activations: Tensor) -> np.ndarray:
    """Activations to keep: a copy, since the tensor changes after the hook; finite."""
    # In NumPy's memory, which has huge pages: a third of the time that torch's own takes. By
    # torch, whose threads are awake: NumPy copies and sums on one core.
    values = np.empty(tuple(activations.shape), np.float32)
    copy = torch.from_numpy(values).copy_(activations)
    if not torch.isfinite(copy.sum()):
        with in_layer(layer):
            check_finite(values)
    return values
