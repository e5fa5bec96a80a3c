"""Progress of a step: a bar on the terminal, and a progress artifact in the Prefect UI."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from seelike.storage.digest import slug
from seelike.tasks.runtime.run_log import run_log
from seelike.tasks.runtime.terminal_bars import TerminalBar, terminal_bar

# Each update is a request: this seldom, they cost nothing beside the work.
EVERY_SECONDS = 3.0


@contextmanager
def progress(step: str, *, total: int, unit: str, done: int = 0) -> Iterator["StepProgress"]:
    """Show how far a step is, on the terminal and, in a task run, as a Prefect artifact.

    Args:
        step: The step's name; the artifact's key is made of it.
        total: How many images, layers or steps there are.
        unit: What they are, in the plural.
        done: How many are done already.

    Yields:
        The counter of what is done.
    """
    with terminal_bar(step, total=total, unit=unit, done=done) as bar:
        artifact = None
        if TaskRunContext.get() is not None:
            artifact = ProgressArtifact(step, total=total, unit=unit, done=done)
            artifact.update()
        try:
            yield StepProgress(bar, artifact)
        finally:
            if artifact is not None:
                artifact.update()


class StepProgress:
    """Counts what a step has done; any of its threads may call it."""

    def __init__(self, bar: TerminalBar, artifact: "ProgressArtifact | None") -> None:
        self._bar, self._artifact = bar, artifact
        self._lock = threading.Lock()

    def advance(self, count: int, *, note: str | None = None) -> None:
        """Count ``count`` more as done; ``note`` is shown on the terminal."""
        with self._lock:
            self._bar.advance(count, note=note)
            if self._artifact is not None:
                self._artifact.advance(count)


class ProgressArtifact:
    """One progress artifact, updated every few seconds.

    Where the server refuses it, the run's log says so once and the step goes on.
    """

    def __init__(self, step: str, *, total: int, unit: str, done: int) -> None:
        self.step, self.total, self.unit, self.done = step, total, unit, done
        self._last = 0.0
        self._id: UUID | None = None
        self._refused = False

    def advance(self, count: int) -> None:
        """Count ``count`` more as done."""
        self.done += count
        if time.monotonic() - self._last >= EVERY_SECONDS:
            self.update()

    def update(self) -> None:
        """Send what is done to the server."""
        if self._refused:
            return
        self._last = time.monotonic()
        percent = 100 * self.done / self.total
        words = f"{self.step}: {self.done} of {self.total} {self.unit}"
        try:
            if self._id is None:
                made = create_progress_artifact(percent, key=slug(self.step), description=words)
                self._id = cast(UUID, made)
            else:
                update_progress_artifact(self._id, percent, description=words)
        except Exception as error:  # An artifact that does not move must not end the work.
            self._refused = True
            run_log().warning(f"progress is not shown any more: {error}")
