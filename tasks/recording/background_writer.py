"""A thread that writes one batch while the next one runs."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class BackgroundWriter(Generic[T]):
    """Calls ``write(batch, values)`` on a thread of its own; one batch waits at most.

    A context: on leaving it everything is written. The error of a write is raised by the next
    ``submit``, or on leaving.
    """

    def __init__(self, write: Callable[[int, T], None]) -> None:
        self._write = write
        self._thread = ThreadPoolExecutor(1)
        self._waiting: Future[None] | None = None

    def submit(self, batch: int, values: T) -> None:
        """Begin to write a batch, once the one before is written."""
        self._wait()
        self._waiting = self._thread.submit(self._write, batch, values)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Waits, also where the pass has failed: a batch that was computed is not lost.
        self._thread.shutdown()
        if kind is None:
            self._wait()

    def _wait(self) -> None:
        if self._waiting is not None:
            self._waiting.result()
