"""How far a step is, in its run's page, as a progress artifact that moves."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from seelike.storage.digest import slug
from seelike.tasks.runtime.run_log import run_log

# Each update is a request: this seldom, they cost nothing beside the work.
EVERY_SECONDS = 3.0


@contextmanager
def progress(step: str, *, total: int, unit: str, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Yield what takes how many more of ``total`` are done, and shows it every few seconds.

    ``step`` names the artifact, in letters that its key may have. Outside of a task run nothing
    is shown; where the server does not take it, that is said once and the step goes on.
    """
    if TaskRunContext.get() is None:
        yield lambda _: None
        return
    shown = _Shown(step, total=total, unit=unit, done=done)
    shown.update()
    try:
        yield shown.add
    finally:
        shown.update()


class _Shown:
    """One progress artifact, and what it shows."""

    def __init__(self, step: str, *, total: int, unit: str, done: int) -> None:
        self.step, self.total, self.unit, self.done = step, total, unit, done
        self.last = 0.0
        self.artifact: UUID | None = None
        self.refused = False

    def add(self, more: int) -> None:
        self.done += more
        if time.monotonic() - self.last >= EVERY_SECONDS:
            self.update()

    def update(self) -> None:
        if self.refused:
            return
        self.last = time.monotonic()
        share = 100 * self.done / self.total
        words = f"{self.step}: {self.done} of {self.total} {self.unit}"
        try:
            if self.artifact is None:
                made = create_progress_artifact(share, key=slug(self.step), description=words)
                self.artifact = cast(UUID, made)
            else:
                update_progress_artifact(self.artifact, share, description=words)
        except Exception as error:  # A page that does not move must not end the work.
            self.refused = True
            run_log().warning(f"progress is not shown any more: {error}")
