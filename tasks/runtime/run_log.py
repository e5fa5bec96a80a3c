"""The log of a step: its run's, in the Prefect UI, or Python's."""

import logging
from typing import Any

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

Log = logging.Logger | logging.LoggerAdapter[Any]


def run_log() -> Log:
    """Return the logger of the current task or flow run; outside of one, Python's ``seelike``."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("seelike")
