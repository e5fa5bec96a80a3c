"""Ending early: Ctrl-C, a cancelled run and a worker told to stop end what computes on threads.

Threads can't be interrupted: they ask here, at every tap and batch, whether their run goes on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prefect.exceptions import TerminationSignal

from seelike.analysis.errors import AnalysisError

# The run of this process itself; a Dask worker serves several, each by its client's id.
HERE = ""
_stopped: set[str] = set()
_run: ContextVar[str] = ContextVar("run", default=HERE)


class Stopped(AnalysisError):
    """A step ended early because its run was interrupted; what is complete stays."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was interrupted; the same run goes on where it ended")


@contextmanager
def stopping_on_interrupt() -> Iterator[None]:
    """End all steps of this process when Ctrl-C comes, or the run is cancelled."""
    _stopped.discard(HERE)
    try:
        yield
    except (KeyboardInterrupt, TerminationSignal):
        stop()
        raise


def stop(run: str = HERE) -> None:
    """End the steps of ``run`` in this process where they ask next."""
    _stopped.add(run)


@contextmanager
def serving(run: str) -> Iterator[None]:
    """What is asked for inside belongs to ``run``."""
    token = _run.set(run)
    try:
        yield
    finally:
        _run.reset(token)


def stopped() -> bool:
    """Whether the run that this thread works for is to end."""
    return _run.get() in _stopped


def check(what: str) -> None:
    """Raise ``Stopped``, saying ``what`` was interrupted, if the run is to end."""
    if stopped():
        raise Stopped(what)
