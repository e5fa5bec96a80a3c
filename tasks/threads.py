"""NumPy's BLAS held to one thread while a step's own threads share the cores."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

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
            blas = ThreadpoolController().select(internal_api=["openblas", "blis"])
            _limit = blas.limit(limits=1)
        _holders += 1
    try:
        yield
    finally:
        with _held:
            _holders -= 1
            if _holders == 0 and _limit is not None:
                _limit.restore_original_limits()
