"""Dask graphs on every core, and NumPy's BLAS held to one thread while they share them."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dask.base import compute
from dask.delayed import Delayed
from threadpoolctl import OpenBLASController, ThreadpoolController

from seelike.analysis.cores import cores

# Two steps at a time load a network, or compute on every core: memory for two is planned.
COMPUTE_SLOTS = threading.BoundedSemaphore(2)

# One network at a time runs on the cores of a machine, and on its GPU.
NETWORK_LOCK = threading.Lock()

_held = threading.Lock()
_holders = 0
_limit = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread per caller, until the last of the callers has left.

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


def compute_on_threads(steps: Iterable[Delayed]) -> tuple[Any, ...]:
    """Compute one Dask graph on as many threads as there are cores; return the steps' results."""
    # The threads scheduler does not know of BLAS's own threads.
    with one_blas_thread():
        done: tuple[Any, ...] = compute(  # type: ignore[no-untyped-call]
            *steps, scheduler="threads", num_workers=cores()
        )
    return done
