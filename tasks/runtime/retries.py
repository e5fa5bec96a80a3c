"""What is tried again: a store that does not answer. A person's mistakes are not."""

import errno
from collections.abc import Iterator
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from seelike.storage.errors import Unreachable

# A network file system that hangs, a connection that is cut; not a full disk, or no permission.
_PASSING = {
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
    """Whether ``error``, or what it came from, is one that time may mend.

    Downloads are not: the Hugging Face hub has tried for a minute by itself when it gives up.
    """
    return any(
        isinstance(one, Unreachable) or (isinstance(one, OSError) and one.errno in _PASSING)
        for one in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _condition(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    error: Any = state.data
    return isinstance(error, BaseException) and may_pass(error)


# For ``@task``: again after 5, 10 and 20 seconds, up to half as long again.
RETRIED: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=5),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _condition,
}
