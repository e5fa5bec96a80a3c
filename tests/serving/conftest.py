"""A `seelike serve` as a person starts it: server, deployments and worker that come with it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Served:
    """A running `seelike serve`."""

    process: subprocess.Popen[str]
    port: int
    home: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        with (
            temporary_settings({PREFECT_API_URL: f"{self.url}/api"}),
            get_client(sync_client=True) as client,
        ):
            yield client

    def run(self, deployment: str, parameters: dict[str, Any] | None = None) -> UUID:
        """Ask for a run, as the page's button does."""
        with self.client() as client:
            found = client.read_deployment_by_name(deployment)
            return client.create_flow_run_from_deployment(found.id, parameters=parameters).id

    def wait(self, run: UUID, until: Callable[[FlowRun], bool], *, seconds: float = 120) -> FlowRun:
        deadline = time.monotonic() + seconds
        with self.client() as client:
            while not until(found := client.read_flow_run(run)):
                assert time.monotonic() < deadline, found.state
                time.sleep(0.3)
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path) -> dict[str, str]:
    """What a person's shell has: nothing of Prefect's, no settings of other tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "DO_NOT", "HF_"))}
    return kept | {"PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT)}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "seelike.flows.cli.main", *map(str, arguments)]


@contextmanager
def serving(home: Path, *, folder: Path | None = None) -> Iterator[Served]:
    """`seelike serve` in ``folder`` (``home`` if left out), once it serves; ended by SIGTERM."""
    port = free_port()
    process = subprocess.Popen(
        command("serve", "--port", port),
        cwd=folder or home,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # As a terminal has it: Ctrl-C goes to a group.
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                break
        else:
            raise AssertionError(process.wait())
        yield Served(process, port, home)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.fixture
def start() -> Callable[..., AbstractContextManager[Served]]:
    """Starts another one: `start(home, folder=...)`."""
    return serving


@pytest.fixture
def seelike(served: Served) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command of `seelike` beside the server that is running."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            cwd=served.home,
            env=environment(served.home) | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("prefect")) as one:
        yield one


@pytest.fixture(scope="package")
def small(served: Served, tmp_path_factory: pytest.TempPathFactory) -> tuple[FlowRun, Path]:
    """A finished run of `compare/nightly`: two networks, 64 images; and where its report is."""
    folder = tmp_path_factory.mktemp("small")
    study = {
        "name": "Small study",
        "store": str(folder / "store"),
        "images": {"count": 64},
        "models": [{"name": "ViT", "zoo": "vit"}, {"name": "ResNet", "zoo": "resnet"}],
        "batch": 32,
        "baseline": False,
        "report": str(folder / "report"),
    }
    run = served.run("compare/nightly", {"study": study})
    finished = served.wait(run, lambda run: run.state is not None and run.state.is_final())
    assert finished.state is not None
    assert finished.state.is_completed(), finished.state
    return finished, folder / "report" / "index.html"
