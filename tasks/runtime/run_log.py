"""Where a step says what it does: the page of its run, or nowhere."""

import logging
from typing import Any

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

Log = logging.Logger | logging.LoggerAdapter[Any]


def run_log() -> Log:
    """The log of the task or flow run that is going on; outside of one, one that few read."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("seelike")
