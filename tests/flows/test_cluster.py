"""Recording and signing on real Dask workers, and what becomes of it when one is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from distributed import Client

import seelike.tasks.recording.record
from seelike.flows.compare import compare
from seelike.flows.study.study import Study
from seelike.storage.arrays.recordings import open_recording
from seelike.storage.store import open_store
from seelike.tasks.runtime import cancellation, dask_cluster
from seelike.tasks.runtime.dask_cluster import ClusterError

ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.usefixtures("server")


def started(*command: str, folder: Path) -> subprocess.Popen[bytes]:
    """A process of Dask's command line that finds this checkout."""
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + command[0], *command[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


@contextmanager
def scheduler(folder: Path) -> Iterator[str]:
    """A Dask scheduler in a process of its own: its address."""
    told = folder / "scheduler.json"
    process = started(
        "dask_scheduler",
        *("--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"),
        *("--scheduler-file", str(told)),
        folder=folder,
    )
    try:
        with Client(scheduler_file=str(told), set_as_default=False, timeout=60) as client:
            yield str(client.scheduler.address)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def worker(address: str, folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process without a nanny: killed, it stays dead."""
    process = started(
        "dask_worker",
        *(address, "--no-nanny", "--nthreads", "1", "--host", "127.0.0.1"),
        *("--no-dashboard", "--local-directory", str(folder), *options),
        folder=folder,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def study(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "cluster",
        "store": str(tmp_path / "store"),
        "images": {"source": "sample", "count": 96},
        "models": [{"name": "ResNet", "zoo": "resnet"}, {"name": "Mixer", "zoo": "mixer"}],
        "batch": 16,
        "baseline": False,
        "report": str(tmp_path / "report"),
    } | changes


def test_two_workers_give_what_threads_give_even_if_one_is_killed_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = compare(study(tmp_path, store=str(tmp_path / "threads"))).open()

    def nowhere(*_: Any, **__: Any) -> None:
        raise AssertionError("a forward pass in the process of the flow")

    monkeypatch.setattr(seelike.tasks.recording.record, "run_passes", nowhere)
    with (
        scheduler(tmp_path) as address,
        worker(address, tmp_path),
        worker(address, tmp_path),
    ):
        asked = study(tmp_path, compute={"dask": address, "shard": 32})
        spread = compare(asked)
        np.testing.assert_allclose(spread.open()["cka"], threads["cka"], atol=1e-6)
        assert spread.recorded == 12

    with (
        scheduler(tmp_path) as address,
        worker(address, tmp_path),
        worker(address, tmp_path) as doomed,
    ):
        other = tmp_path / "other"
        killer = Thread(target=kill_after_first_batch, args=(doomed, other))
        killer.start()
        survived = compare(study(tmp_path, compute={"dask": address}, store=str(other)))
        killer.join()
        assert doomed.poll() is not None
    np.testing.assert_array_equal(survived.open()["cka"], spread.open()["cka"])
    store = open_store(str(other))
    assert all(not open_recording(store, n).missing() for n in store.names("recordings"))


def kill_after_first_batch(doomed: subprocess.Popen[bytes], store: Path) -> None:
    """Kill a worker as soon as one batch of any recording in a store is complete."""
    until(lambda: any(store.glob("recordings/*/digest/c/*/0")))
    os.kill(doomed.pid, signal.SIGKILL)


def until(true: Any, *, seconds: float = 60) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_a_local_cluster_is_started_used_and_ended(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []
    run = dask_cluster.run
    environment = dict(os.environ)

    def noted(address: str, *arguments: Any, **named: Any) -> Any:
        seen.append(address)
        return run(address, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dask_cluster, "run", noted)
        compare(study(tmp_path, compute={"dask": "local"}, keep="signatures"))
    assert len(set(seen)) == 1 and seen[0].startswith("tcp://127.0.0.1:")
    assert "Dask dashboard: http://127.0.0.1:" in capfd.readouterr().err
    assert dict(os.environ) == environment
    with pytest.raises(OSError, match="Timed out"):
        Client(seen[0], timeout=1, set_as_default=False)


def test_a_worker_computes_on_its_own_threads_and_stops_when_told(tmp_path: Path) -> None:
    with scheduler(tmp_path) as address, worker(address, tmp_path):
        dask_cluster.check(address)
        assert dask_cluster.run(address, "threads", threads_there) == (1, 1)
        cancellation.stop()
        try:
            with pytest.raises(cancellation.Stopped, match="waiting was interrupted"):
                dask_cluster.run(address, "waiting", wait_until_stopped, str(tmp_path / "stopped"))
            until((tmp_path / "stopped").exists)
        finally:
            with cancellation.stopping_on_interrupt():
                pass


def threads_there() -> tuple[int, int]:
    import torch

    from seelike.analysis.cores import cores

    return torch.get_num_threads(), cores()


def wait_until_stopped(path: str) -> None:
    until(cancellation.stopped)
    Path(path).touch()


def test_an_address_where_nothing_answers_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dask_cluster.PATIENCE <= 25
    monkeypatch.setattr(dask_cluster, "PATIENCE", 1)
    with pytest.raises(ClusterError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 "):
        compare(study(tmp_path, compute={"dask": "tcp://127.0.0.1:9"}))
    assert not (tmp_path / "store").exists()


def test_a_scheduler_without_workers_and_one_without_gpus_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_cluster, "PATIENCE", 2)
    with scheduler(tmp_path) as address:
        with pytest.raises(ClusterError, match="has no workers after 2 s; start some with"):
            dask_cluster.check(address)
        with worker(address, tmp_path):
            dask_cluster.check(address)
            with pytest.raises(ClusterError, match=r"no worker at .* has the resource GPU"):
                dask_cluster.run(address, "record", print, device="cuda")


def test_a_worker_without_the_code_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    # Found before this checkout: what Python says where the package, or one it needs, is not.
    (bare / "seelike").mkdir()
    (bare / "seelike" / "__init__.py").write_text("raise ModuleNotFoundError('no seelike here')")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", bare)
    with (
        scheduler(tmp_path) as address,
        worker(address, tmp_path),
        pytest.raises(ClusterError, match=r"can't run seelike .*no seelike here.*install the same"),
    ):
        dask_cluster.check(address)


def test_steps_with_a_gpu_go_where_one_is(tmp_path: Path) -> None:
    with (
        scheduler(tmp_path) as address,
        worker(address, tmp_path, "--name", "plain"),
        worker(address, tmp_path, "--name", "gpu", "--resources", "GPU=1"),
    ):
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=30)
            assert dask_cluster.has_gpus(client)
        names = {dask_cluster.run(address, "where", where, device="cuda") for _ in range(4)}
        assert names == {("gpu", "cuda")}
        assert dask_cluster.run(address, "where", where, device="auto") == ("gpu", "cuda")


def where(*, device: str) -> tuple[str, str]:
    from distributed import get_worker

    return str(get_worker().name), device


@pytest.mark.parametrize("address", ["locally", "tcp://", "127.0.0.1:8786"])
def test_what_is_no_address_is_refused_with_the_fields_path(address: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"compute\.dask"):
        Study.model_validate(study(tmp_path, compute={"dask": address}))
