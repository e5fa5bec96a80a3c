"""Dask graphs on every core, and NumPy's BLAS held to one thread while they share them."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dask.base import compute
from dask.delayed import Delayed
from threadpoolctl import OpenBLASController, ThreadpoolController

from seelike.analysis.cores import cores

# Steps that load a network, or compute on every core, at a time: memory for two is planned.
SEATS = threading.BoundedSemaphore(2)

# The cores of one machine, and its GPU, run one network at a time.
TURN = threading.Lock()

_held = threading.Lock()
_holders = 0
_limit = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One BLAS thread a caller, until the last of those who asked for it is done.

    The limit belongs to the process: restored by each of two overlapping steps in turn, it
    would be left at whatever the first one had set. torch's own threads are left alone.
    """
    global _holders, _limit
    with _held:
        if _holders == 0:
            _take_over()
            blas = ThreadpoolController().select(internal_api=["openblas", "blis"])
            _limit = blas.limit(limits=1)
        _holders += 1
    try:
        yield
    finally:
        with _held:
            _holders -= 1
            if _holders == 0 and _limit is not None:
                _take_over()
                _limit.restore_original_limits()
                _take_over()


def _take_over() -> None:
    """Let this thread set limits: threadpoolctl heeds the thread that first did, and no other."""
    OpenBLASController.clear_controlling_thread(force=True)


def computed(steps: Iterable[Delayed]) -> tuple[Any, ...]:
    """The results of ``steps``, one Dask graph on as many threads as there are cores."""
    # The threads scheduler does not know of BLAS's own threads.
    with one_blas_thread():
        done: tuple[Any, ...] = compute(  # type: ignore[no-untyped-call]
            *steps, scheduler="threads", num_workers=cores()
        )
    return done
