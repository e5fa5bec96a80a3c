"""Runs that are cancelled, killed or left behind by their worker, and run again."""

import re
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelling

from seelike.storage.maintenance import faults
from seelike.storage.store import open_store

DEPLOYMENT = "compare/nightly"
# What Prefect 3's worker calls the process of a run.
RUN = re.compile(r"prefect(\.|/)(flow_)?engine")
# Minutes of recording on any machine that tests run on; ended long before.
LONG = 2048
# Seconds that the Prefect runner waits for a cancelled process before it kills it.
PREFECT_GRACE = 30


def study(folder: Path, *, count: int = LONG) -> dict[str, Any]:
    return {
        "name": "ended",
        "store": str(folder / "store"),
        "images": {"count": count},
        "models": [{"name": "ViT", "zoo": "vit"}],
        "taps": "paper",
        "batch": 16,
        "keep": "signatures",
        "baseline": False,
        "permutations": 0,
        "report": str(folder / "report"),
    }


def rows(folder: Path) -> list[Path]:
    """The batches that were entered as complete."""
    return sorted(folder.glob("store/signatures/*/digest/c/*/0"))


def until(true: Callable[[], object], *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)


def recording(served: Any, folder: Path) -> UUID:
    """A run that has recorded some batches and has many before it."""
    run: UUID = served.run(DEPLOYMENT, {"study": study(folder)})
    until(lambda: len(rows(folder)) >= 2, seconds=120)
    return run


def processes(served: Any) -> list[psutil.Process]:
    """The processes of runs, children of the worker."""
    return [one for one in children(served) if RUN.search(" ".join(one.cmdline()))]


def children(served: Any) -> list[psutil.Process]:
    """All processes that `seelike serve` started."""
    return psutil.Process(served.process.pid).children(recursive=True)


def finishes(served: Any, folder: Path) -> None:
    """The same study, shortened, is recorded to its end, and nothing in the store is damaged."""
    before = {path: path.stat().st_mtime_ns for path in rows(folder)}
    store = open_store(str(folder / "store"))
    assert list(faults(store)) == []
    run = served.run(DEPLOYMENT, {"study": study(folder)})
    until(lambda: len(rows(folder)) > len(before), seconds=120)
    # It went on: what was there was not written again.
    assert {path: path.stat().st_mtime_ns for path in before} == before
    cancel(served, run)


def cancel(served: Any, run: UUID) -> FlowRun:
    """What the page's button does."""
    with served.client() as client:
        client.set_flow_run_state(run, Cancelling())
    return served.wait(run, lambda r: r.state.is_final(), seconds=60)


def test_cancelling_ends_the_computing_within_seconds_and_the_next_run_goes_on(
    served: Any, tmp_path: Path
) -> None:
    run = recording(served, tmp_path)
    assert len(processes(served)) == 1
    start = time.monotonic()
    ended = cancel(served, run)
    assert ended.state.type is StateType.CANCELLED
    until(lambda: not processes(served), seconds=PREFECT_GRACE)
    taken = time.monotonic() - start
    there = len(rows(tmp_path))
    time.sleep(2)
    assert len(rows(tmp_path)) == there
    # Measured 4 to 6 s on two idle cores. By its grace Prefect would have killed the process.
    assert taken < PREFECT_GRACE, taken
    finishes(served, tmp_path)


def test_a_killed_run_is_seen_as_crashed_and_its_rerun_goes_on(served: Any, tmp_path: Path) -> None:
    run = recording(served, tmp_path)
    assert len(processes(served)) == 1
    for process in processes(served):
        process.send_signal(signal.SIGKILL)
    ended = served.wait(run, lambda r: r.state.is_final(), seconds=60)
    assert ended.state.type is StateType.CRASHED
    finishes(served, tmp_path)


def test_a_killed_worker_is_replaced_and_the_next_run_is_served(
    start: Callable[..., AbstractContextManager[Any]], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with start(home) as served:
        run = recording(served, tmp_path)
        [worker] = [one for one in children(served) if "worker start" in " ".join(one.cmdline())]
        # The machine's own way when memory is short: the worker, and with it what it ran.
        for process in (worker, *processes(served)):
            process.send_signal(signal.SIGKILL)
        line = served.process.stdout.readline()
        assert line.startswith("the worker ended with status -9; a new one starts")
        small = {**study(tmp_path, count=64), "taps": "blocks", "name": "next"}
        following = served.run("compare/zoo", {"study": small})
        ended = served.wait(following, lambda r: r.state.is_final())
        assert ended.state.is_completed(), ended.state
        with served.client() as client:
            # Nobody said how it ended: that is what the watch over silent runs is for.
            assert client.read_flow_run(run).state.is_running()
    assert served.process.poll() == 0
