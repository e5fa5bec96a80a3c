"""BLAS is held to one thread whichever thread asks, and as it was when the last one is done."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np  # noqa: F401  Its BLAS is the one that is held.
from threadpoolctl import threadpool_info, threadpool_limits

from seelike.tasks.runtime.threads import one_blas_thread


def blas_threads() -> set[int]:
    # Of NumPy and SciPy: FAISS brings one on OpenMP, where each thread has a number of its own.
    return {
        one["num_threads"]
        for one in threadpool_info()
        if one["internal_api"] == "openblas" and one["threading_layer"] == "pthreads"
    }


def held() -> set[int]:
    with one_blas_thread():
        return blas_threads()


def test_every_thread_can_hold_blas_to_one_thread() -> None:
    with threadpool_limits(3, user_api="blas"), ThreadPoolExecutor(1) as first:
        # The first that sets a limit lives on, as the threads of a flow do.
        assert first.submit(held).result() == {1}
        assert blas_threads() == {3}
        assert held() == {1}
        with ThreadPoolExecutor(1) as second, one_blas_thread():
            assert second.submit(held).result() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == {3}
