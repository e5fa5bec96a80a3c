"""`seelike serve`: a Prefect server, the deployments and a worker on this machine."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout
from prefect.settings import PREFECT_HOME

from seelike.flows.errors import StudyError
from seelike.flows.server.deployments import Deployments, find_deployments
from seelike.flows.server.processes import ending_children, running, until_interrupted
from seelike.flows.server.work_pool import POOL, ensure_automations, ensure_pool

HOST = "127.0.0.1"
# Runs at once: one that trains and one that compares; each takes every core it gets.
RUNS = 2
START_SECONDS = 120
# A worker that ends within so many seconds would end again.
WORKER_SECONDS = 5
# `seelike` keeps these off its terminal; the log files are where they belong.
_TERMINAL = (
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_FLOW_RUNS_LEVEL",
)


def serve(*, port: int, deployments: Path | None = None) -> None:
    """Serve deployments by Prefect until Ctrl-C or SIGTERM, then end all that was started.

    The server's data stay in PREFECT_HOME. Where seelike is served at ``port`` already, print its
    address.

    Args:
        port: The port of the Prefect server.
        deployments: A file of deployments, see ``find_deployments``.

    Raises:
        StudyError: Another program has the port, or the deployments are invalid.
        ChildProcessError: The server or the worker ended by itself.
    """
    found = find_deployments(deployments)
    service = Service(port, _home() / "seelike" / str(port))
    if answers(port):
        print(f"already served: {service.url}")
        return
    _check_free(port)
    service.logs.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(service.logs / "lock", timeout=0), until_interrupted():
            _serve(service, found)
    except Timeout:
        print(f"another `seelike serve` is starting or ending at {service.url}; try again")


@dataclass(frozen=True)
class Service:
    """A served port, and the folder of its logs."""

    port: int
    logs: Path

    @property
    def url(self) -> str:
        """The address of the Prefect UI."""
        return f"http://{HOST}:{self.port}"

    @property
    def api(self) -> str:
        """The value for PREFECT_API_URL."""
        return f"{self.url}/api"

    def log(self, name: str) -> Path:
        """The log file of the process ``name``."""
        return self.logs / f"{name}.log"

    def command(self, *arguments: str) -> list[str]:
        """Prefect's command line, as it is installed here."""
        return [sys.executable, "-m", "prefect", "--no-prompt", *arguments]

    def environment(self) -> dict[str, str]:
        """The environment variables of Prefect's processes."""
        kept = {name: value for name, value in os.environ.items() if name not in _TERMINAL}
        # The worker asks for work this often, so that a run begins when its button is pressed.
        kept.setdefault("PREFECT_WORKER_QUERY_SECONDS", "2")
        return kept | {"PREFECT_API_URL": self.api, "PREFECT_UI_API_URL": self.api}


def _serve(service: Service, deployments: Deployments) -> None:
    say(f"starting {service.url}, logs in {service.logs}")
    start = service.command("server", "start", "--host", HOST, "--port", str(service.port))
    with running(start, service.environment(), log=service.log("server")) as server:
        _wait_for(service, server)
        ensure_pool(service.api)
        ensure_automations(service.api, deployments.automations)
        for restart in count():
            with _worker(service) as worker:
                if not restart:
                    deploy(service, deployments)
                    say(f"serving {deployments.file}: {service.url}")
                    say("Ctrl-C ends the server, the worker and all runs")
                status = _until_ended(service, server, worker)
            say(f"the worker ended with status {status}; a new one starts, its runs continue")


@contextmanager
def _worker(service: Service) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker. Its runs end before it and the server, so that their states are recorded."""
    work = service.command("worker", "start", "--pool", POOL, "--limit", str(RUNS))
    with (
        running(work, service.environment(), log=service.log("worker")) as worker,
        ending_children(worker),
    ):
        yield worker


def _until_ended(
    service: Service, server: subprocess.Popen[bytes], worker: subprocess.Popen[bytes]
) -> int:
    """Wait until the worker ends by itself, and return its status.

    Raises ``ChildProcessError`` where the server ends, or the worker soon after its start.
    """
    start = time.monotonic()
    while (status := worker.poll()) is None:
        _check_alive(service, "server", server)
        time.sleep(0.5)
    if time.monotonic() - start < WORKER_SECONDS:
        _check_alive(service, "worker", worker)
    return status


def say(line: str) -> None:
    """Print a line at once, also where the output is not a terminal."""
    print(line, flush=True)


def answers(port: int) -> bool:
    """Whether a Prefect server answers at ``port`` of this machine."""
    # Without urllib, which would ask a proxy for this machine.
    connection = HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().read(8) == b"true"
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _check_free(port: int) -> None:
    """Raise ``StudyError`` where no server can listen at ``port``."""
    if not 1 <= port <= 65535:
        raise StudyError(f"port {port}: expected 1 to 65535; name one with --port")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
    except OSError as error:
        raise StudyError(
            f"port {port} cannot be served at ({error.strerror}); name another with --port"
        ) from error


def _home() -> Path:
    """Prefect's own folder, where its database is."""
    return Path(PREFECT_HOME.value())


def _wait_for(service: Service, server: subprocess.Popen[bytes]) -> None:
    """Return when the server answers."""
    deadline = time.monotonic() + START_SECONDS
    while not answers(service.port):
        _check_alive(service, "server", server)
        if time.monotonic() > deadline:
            raise ChildProcessError(
                f"the server at port {service.port} did not answer within {START_SECONDS} s; "
                f"see {service.log('server')}"
            )
        time.sleep(0.2)


def _check_alive(service: Service, name: str, process: subprocess.Popen[bytes]) -> None:
    status = process.poll()
    if status is not None:
        raise ChildProcessError(
            f"the {name} ended by itself with status {status}; see {service.log(name)}"
        )


def deploy(service: Service, deployments: Deployments) -> None:
    """Deploy a file of deployments. Called in their folder, which is where Prefect starts runs."""
    with service.log("deploy").open("wb") as log:
        done = subprocess.run(
            service.command("deploy", "--all", "--prefect-file", str(deployments.file)),
            cwd=deployments.folder,
            env=service.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise StudyError(
            f"{deployments.file} cannot be deployed; correct what {service.log('deploy')} reports"
        )
