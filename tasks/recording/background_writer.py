"""Writing behind the forward pass: activations tap by tap, signatures batch by batch."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seelike.analysis.similarity import check_finite
from seelike.storage.arrays.recordings import Recording
from seelike.tasks.recording.activation_errors import at

# Bytes of copies that may wait for the disk; a pass that is ahead of it by more waits itself.
WAITING_BYTES = 2**29


@contextmanager
def background_write(write: Callable[..., None]) -> Iterator[Callable[..., None]]:
    """``write`` on a thread of its own while the next batch runs; one batch waits at most.

    A write that failed is raised by the next one, or at the end.
    """
    waiting: list[Future[None]] = []

    def following(*arguments: Any) -> None:
        for future in waiting:
            future.result()
        waiting[:] = [writer.submit(write, *arguments)]

    with ThreadPoolExecutor(1) as writer:
        yield following
        for future in waiting:
            future.result()


class RecordingWriter:
    """Writes the activations of a recording, each tap's while the pass goes on to the next.

    A context: at its end everything is written. A write that failed is raised by the next one,
    or at the end; its batch is never marked complete, nor are those after it.
    """

    def __init__(self, kept: Recording) -> None:
        self.kept = kept
        self.batch = 0
        self._writers = ThreadPoolExecutor(kept.place.at_once)
        self._waiting: deque[tuple[int, Future[int]]] = deque()
        self._marked: list[Future[None]] = []
        self._marker = ThreadPoolExecutor(1)

    def __enter__(self) -> "RecordingWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Waits, also where the pass has failed: a batch that was computed is not lost.
        self._writers.shutdown()
        self._marker.shutdown()
        if kind is None:
            self._raise_failures()

    def begin(self, batch: int) -> None:
        """What is taken from now on is of ``batch``."""
        self.batch = batch

    def take(self, tap: str, activations: Tensor) -> "Future[int]":
        """Begin to write a copy of one tap's activations of ``batch``; its checksum, when done.

        Raises ``NonFinite`` for NaN and infinity.
        """
        values = _copied(tap, activations)
        while self._waiting and (
            self._waiting[0][1].done()
            or sum(size for size, _ in self._waiting) + values.nbytes > WAITING_BYTES
        ):
            self._waiting.popleft()[1].result()
        done = self._writers.submit(self.kept.write_tap, self.batch, tap, values)
        self._waiting.append((values.nbytes, done))
        return done

    def finish(self, batch: int, sums: Mapping[str, "Future[int]"]) -> None:
        """Mark ``batch`` as complete once all of its taps are written."""
        self._raise_failures(wait=False)
        self._marked.append(self._marker.submit(self._mark, batch, sums))

    def _mark(self, batch: int, sums: Mapping[str, "Future[int]"]) -> None:
        self._raise_failures(wait=False)
        self.kept.complete(batch, {tap: done.result() for tap, done in sums.items()})

    def _raise_failures(self, *, wait: bool = True) -> None:
        for one in self._marked:
            if wait or one.done():
                one.result()


def _copied(tap: str, activations: Tensor) -> np.ndarray:
    """Activations to keep: a copy, since the tensor changes after the hook; finite."""
    # In NumPy's memory, which has huge pages: a third of the time that torch's own takes. By
    # torch, whose threads are awake: NumPy copies and sums on one core.
    values = np.empty(tuple(activations.shape), np.float32)
    copy = torch.from_numpy(values).copy_(activations)
    if not torch.isfinite(copy.sum()):
        with at(tap):
            check_finite(values)
    return values
