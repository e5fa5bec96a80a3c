"""Cooperative cancellation: Ctrl-C, or a cancelled run, ends steps that compute on threads.

Threads cannot be interrupted: they ask here, at every tap and batch, whether their run goes on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prefect.exceptions import TerminationSignal

from seelike.analysis.errors import AnalysisError

# The run of this process; a Dask worker serves several runs, each named by its client's id.
HERE = ""
_stopped: set[str] = set()
_run: ContextVar[str] = ContextVar("run", default=HERE)


class Stopped(AnalysisError):
    """A step ended early, since its run was interrupted; complete batches stay in the store."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was interrupted; the same run goes on where it ended")


@contextmanager
def stopping_on_interrupt() -> Iterator[None]:
    """End all steps of this process on Ctrl-C, or when the run is cancelled."""
    _stopped.discard(HERE)
    try:
        yield
    except (KeyboardInterrupt, TerminationSignal):
        stop()
        raise


def stop(run: str = HERE) -> None:
    """End the steps of a run in this process where they ask next."""
    _stopped.add(run)


@contextmanager
def serving(run: str) -> Iterator[None]:
    """Count steps inside as steps of ``run``."""
    token = _run.set(run)
    try:
        yield
    finally:
        _run.reset(token)


def stopped() -> bool:
    """Return whether the run that this thread works for is to end."""
    return _run.get() in _stopped


def check(what: str) -> None:
    """Raise ``Stopped``, naming the step, if the run is to end."""
    if stopped():
        raise Stopped(what)
