"""Retries of steps: errors that may pass, such as a store that does not answer."""

import errno
from collections.abc import Iterator
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from seelike.storage.errors import Unreachable

# A network file system that hangs, a connection that is cut; not a full disk, or no permission.
_TRANSIENT = {
    errno.EIO,
    errno.EAGAIN,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ECONNRESET,
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EPIPE,
}


def may_pass(error: BaseException) -> bool:
    """Return whether an error, or its cause, may pass by itself.

    Downloads do not count: the Hugging Face hub client has retried for a minute when it gives up.
    """
    return any(
        isinstance(one, Unreachable) or (isinstance(one, OSError) and one.errno in _TRANSIENT)
        for one in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _condition(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    error: Any = state.data
    return isinstance(error, BaseException) and may_pass(error)


# Arguments of ``@task``: retries after 5, 10 and 20 seconds, each up to half as long again.
RETRIES: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=5),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _condition,
}
