"""Steps in this process or on a Dask cluster, where each has its worker's share of the cores.

A Prefect task submits its work and waits for it: the cluster's scheduler runs the work again
elsewhere when a worker is lost.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from dask.delayed import delayed
from distributed import Client, Future, LocalCluster, get_worker
from distributed.scheduler import KilledWorker

from seelike.analysis import cores
from seelike.analysis.errors import AnalysisError
from seelike.tasks.runtime import cancellation
from seelike.tasks.runtime.threads import compute_on_threads

T = TypeVar("T")

LOCAL = "local"
# Seconds that a scheduler, and its first worker, may take to answer.
PATIENCE = 10
# The same for a step, whose scheduler has answered before and may be busy.
STEP_PATIENCE = 60
# Cores of a worker process of a local cluster: beyond, one network gains little from more.
WORKER_CORES = 8


class ClusterError(AnalysisError):
    """A Dask cluster that does not answer, or cannot run a step."""


@contextmanager
def workers(asked: str | None) -> Iterator[str | None]:
    """Provide the workers of a study, for as long as the context lasts.

    Args:
        asked: A scheduler's address; ``local`` for worker processes on this machine, which are
            started and ended here; None for threads of this process.

    Yields:
        The scheduler's address, or None.

    Raises:
        ClusterError: Within 20 s, for an address where no scheduler, no worker or no seelike
            answers.
    """
    if asked is None:
        yield None
        return
    if asked != LOCAL:
        check(asked)
        yield asked
        return
    with _restored_environment(), _local_cluster() as cluster:
        check(cluster.scheduler_address)
        yield cluster.scheduler_address


def _local_cluster() -> LocalCluster:
    """Start a worker per GPU, or per few cores, on the loopback interface alone."""
    gpus = torch.cuda.device_count()
    count = gpus or max(min(2, cores.cores()), cores.cores() // WORKER_CORES)
    return LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=count,
        threads_per_worker=max(1, cores.cores() // count),
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        resources={"GPU": 1} if gpus else None,
    )


@contextmanager
def _restored_environment() -> Iterator[None]:
    """Restore the environment: Dask sets BLAS's threads for its workers, and leaves them set."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def check(address: str) -> None:
    """Raise ``ClusterError`` unless workers that have seelike answer at ``address``."""
    with _connected(address) as client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise ClusterError(
                f"the Dask scheduler at {address} has no workers after {PATIENCE} s; start some "
                f"with `dask worker {address}`"
            ) from error
        answers: dict[str, Any] = client.run(_importable, on_error="return")
    for worker, answer in answers.items():
        if isinstance(answer, Exception):
            raise ClusterError(
                f"Dask worker {worker} can't run seelike ({type(answer).__name__}: {answer}); "
                "install the same version there"
            )


def dashboard(address: str) -> str:
    """Return the link to the cluster's dashboard."""
    with _connected(address) as client:
        return str(client.dashboard_link)


def has_gpus(client: Client) -> bool:
    """Return whether a worker offers the resource GPU."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    return any(one["resources"].get("GPU", 0) >= 1 for one in workers.values())


def run(address: str | None, what: str, step: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Run a step on a worker of the cluster, or in this process.

    Args:
        address: The scheduler's address; None runs the step in this process.
        what: The step's name, for messages and Dask's dashboard.
        step: A function that workers can import. With ``device`` among its arguments it needs a
            worker that offers the resource ``GPU=1`` for a GPU; ``auto`` takes one where there is.
        arguments: Its positional arguments.
        named: Its keyword arguments.

    Returns:
        What ``step`` returns.

    Raises:
        ClusterError: The cluster does not answer, has no GPU that is asked for, or lost a worker
            with each of several attempts.
        Stopped: The run was interrupted; the step ends at its next batch, on the worker too.
    """
    if address is None:
        return step(*arguments, **named)
    with _connected(address, patience=STEP_PATIENCE) as client:
        device = str(named.get("device", "cpu"))
        if device == "auto":
            device = named["device"] = "cuda" if has_gpus(client) else "cpu"
        if device.startswith("cuda") and not has_gpus(client):
            raise ClusterError(
                f"{what} asks for device {device}, and no worker at {address} has the resource "
                "GPU; start workers with `dask worker --resources GPU=1`"
            )
        future: Future[T] = client.submit(
            _serve,
            client.id,
            step,
            arguments,
            named,
            pure=False,
            key=f"{what}-{client.id}",
            resources={"GPU": 1} if device.startswith("cuda") else None,
        )
        return _awaited(future, client, what)


def run_all(address: str | None, what: str, steps: Sequence[Callable[[], T]]) -> list[T]:
    """Run independent steps, a core each, on the workers of the cluster or on threads here.

    Args:
        address: The scheduler's address; None runs the steps in this process.
        what: Their name, for messages and Dask's dashboard.
        steps: Functions without arguments, such as a ``partial`` of one that workers can import.

    Returns:
        What the steps return, in their order.

    Raises:
        ClusterError, Stopped: As ``run``.
    """
    if address is None:
        return list(compute_on_threads(delayed(step, pure=False)() for step in steps))
    with _connected(address, patience=STEP_PATIENCE) as client:
        futures: list[Future[T]] = [
            client.submit(
                _serve, client.id, step, (), {}, pure=False, key=f"{what}-{n}-{client.id}"
            )
            for n, step in enumerate(steps)
        ]
        return [_awaited(future, client, what) for future in futures]


def _awaited(future: Future[T], client: Client, what: str) -> T:
    """The result of ``future``, unless the run is stopped while it is waited for."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())  # type: ignore[no-untyped-call]
    while not done.wait(0.5):
        if cancellation.stopped():
            future.cancel()  # type: ignore[no-untyped-call]
            client.run(cancellation.stop, client.id, on_error="ignore")
            cancellation.check(what)
    try:
        result: T = future.result()
    except KilledWorker as error:
        raise ClusterError(
            f"{what} ended {error.allowed_failures + 1} Dask workers, one after the other; see "
            "their logs. Most often memory is short: set a smaller forward_batch or batch"
        ) from error
    return result


def _serve(run: str, step: Callable[..., T], arguments: tuple[Any, ...], named: Any) -> T:
    """Run ``step`` on a worker, for the run of that name, with the cores that the worker has."""
    threads = int(get_worker().state.nthreads)
    cores.reserve(threads)
    torch.set_num_threads(threads)
    with cancellation.serving(run):
        result: T = step(*arguments, **named)
        return result


def _importable() -> bool:
    """Return True: a worker can only answer if it has this module."""
    return True


@contextmanager
def _connected(address: str, *, patience: float | None = None) -> Iterator[Client]:
    """Connect to the scheduler at ``address``; each step has its own connection."""
    seconds = PATIENCE if patience is None else patience
    try:
        client = Client(  # type: ignore[no-untyped-call]
            address, set_as_default=False, timeout=seconds, name="seelike"
        )
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address} within {seconds} s; start one with "
            "`dask scheduler`, or set compute.dask: local"
        ) from error
    with client:
        yield client
