"""`seelike serve`: once is enough, a port may be somebody's, and nothing of it stays."""

import os
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings

from seelike.flows.cli.main import main
from seelike.flows.run.telemetry import OFF
from seelike.flows.server.work_pool import ensure_automations

ROOT = Path(__file__).parent.parent.parent
ENDLESS = """
import subprocess
import sys

from prefect import flow


@flow
def endless() -> None:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"], check=True)
"""
DEPLOYMENT = {
    "deployments": [
        {"name": "here", "entrypoint": "endless.py:endless", "work_pool": {"name": "local"}}
    ]
}


def test_all_deployments_are_there_with_their_schedules_and_queues(served: Any) -> None:
    asked = yaml.safe_load((ROOT / "deployment.yaml").read_text())["deployments"]
    with served.client() as client:
        found = {one.name: one for one in client.read_deployments()}
    assert found.keys() == {one["name"] for one in asked}
    for one in asked:
        there = found[one["name"]]
        assert there.description == one["description"]
        assert there.tags == one["tags"]
        assert there.work_queue_name == one["work_pool"]["work_queue_name"]
        assert there.enforce_parameter_schema
        assert there.concurrency_options.collision_strategy in ("CANCEL_NEW", "ENQUEUE")
        crons = [schedule.schedule.cron for schedule in there.schedules]
        assert crons == [schedule["cron"] for schedule in one.get("schedules", [])]


def test_the_watch_over_silent_runs_is_kept_by_the_server_once(served: Any) -> None:
    ensure_automations(f"{served.url}/api", ROOT / "automations.yaml")
    with served.client() as client:
        (found,) = client.read_automations_by_name("seelike runs that fell silent")
    assert found.enabled


def test_a_run_whose_code_is_not_where_the_worker_is_fails_at_once(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    file = tmp_path / "gone" / "gone.yaml"
    file.write_text(yaml.safe_dump({"name": "gone", "models": [{"name": "ViT", "zoo": "vit"}]}))
    with temporary_settings({PREFECT_API_URL: f"{served.url}/api"}):
        assert main(["deploy", str(file)]) == 0
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(tmp_path / "gone")
    run = served.run("compare/gone")
    ended = served.wait(run, lambda run: run.state is not None and run.state.is_final())
    assert ended.state.is_crashed()
    with served.client() as client:
        client.delete_deployment(ended.deployment_id)
    assert (
        f"No such file or directory: '{tmp_path / 'gone'}'"
        in (served.home / "seelike" / str(served.port) / "worker.log").read_text()
    )


def test_a_second_one_says_where_it_is_served_and_changes_nothing(
    served: Any, seelike: Callable[..., Any]
) -> None:
    before = {p.pid for p in psutil.Process(served.process.pid).children(recursive=True)}
    second = seelike("serve", "--port", served.port)
    assert (second.returncode, second.stdout) == (0, f"already served: {served.url}\n")
    assert served.process.poll() is None
    after = {p.pid for p in psutil.Process(served.process.pid).children(recursive=True)}
    assert before == after


@pytest.mark.parametrize(
    ("port", "words"),
    [(None, "(Address already in use)"), (70_000, "expected 1 to 65535"), (0, "expected 1 to")],
)
def test_a_port_that_cannot_be_served_at_is_refused_in_one_line(
    port: int | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        number = somebody.getsockname()[1] if port is None else port
        deployments = str(ROOT / "deployment.yaml")
        assert main(["serve", "--port", str(number), "--deployments", deployments]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"seelike: port {number}")
    assert words in said
    assert "--port" in said
    assert said.count("\n") == 1


def test_a_file_of_deployments_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "--deployments", "mine.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--deployments mine.yaml does not exist" in line


def test_ctrl_c_ends_the_server_the_worker_and_what_runs(
    tmp_path: Path, start: Callable[..., Any]
) -> None:
    (tmp_path / "endless.py").write_text(ENDLESS)
    (tmp_path / "deployment.yaml").write_text(yaml.safe_dump(DEPLOYMENT))
    with start(tmp_path / "home", folder=tmp_path) as one:
        run = one.run("endless/here")
        one.wait(run, lambda run: run.state is not None and run.state.is_running())
        processes = psutil.Process(one.process.pid).children(recursive=True)
        while not any("time.sleep(600)" in " ".join(p.cmdline()) for p in processes):
            processes = psutil.Process(one.process.pid).children(recursive=True)
        os.killpg(one.process.pid, signal.SIGINT)
        assert one.process.wait(60) == 0
    gone, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []
    assert len(gone) >= 4  # The server, the worker, the run, and what the run started.
    # The server's data stay: the next one shows how the run ended.
    with sqlite3.connect(tmp_path / "home" / "prefect.db") as data:
        (state,) = data.execute("SELECT state_type FROM flow_run").fetchone()
    assert state == "CRASHED"


@pytest.mark.parametrize(
    ("study", "path"),
    [
        ({"images": {"count": 1}}, "images.count"),
        ({"batch": 0}, "batch"),
        ({"compute": {"forward_batch": 0}}, "compute.forward_batch"),
        ({"models": []}, "models"),
        ({"models": [{"name": "a", "zoo": "vit", "seed": -1}]}, "models[0].seed"),
        ({"modles": []}, "modles"),
        ({"training": {"recipe": {"epochs": 0}}}, "training.recipe.epochs"),
    ],
)
def test_a_parameter_out_of_range_is_refused_when_it_is_given(
    served: Any, study: dict[str, Any], path: str
) -> None:
    models = [{"name": "ViT", "zoo": "vit"}]
    with pytest.raises(PrefectHTTPStatusError) as refused:
        served.run("compare/nightly", {"study": {"models": models} | study})
    print(refused.value.response.text)
    assert path in refused.value.response.text


def test_a_run_says_what_it_does_without_the_libraries_noise(served: Any, small: Any) -> None:
    run, index = small
    messages: list[str] = []
    with served.client() as client:
        # The last ones arrive some time after the run has ended.
        for _ in range(50):
            logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))
            messages = [log.message for log in logs]
            if f"report: {index}" in messages:
                break
            time.sleep(0.2)
    assert {log.name for log in logs} <= {
        "prefect.flow_runs",
        "prefect.task_runs",
        "prefect.flow_runs.worker",
    }
    assert (
        "compare of study Small study: ViT, ResNet on 64 images; store "
        + str(index.parent.parent / "store")
        in messages
    )
    assert "ViT: 2 of 2 batches are missing" in messages
    assert f"report: {index}" in messages


def test_what_runs_is_told_to_send_no_telemetry(served: Any) -> None:
    for process in psutil.Process(served.process.pid).children(recursive=True):
        told = process.environ()
        # Prefect writes down for its children what it read: False for false.
        assert {name: told.get(name, "").lower() for name in OFF} == OFF


def test_an_own_study_is_deployed_by_one_command(
    served: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"name": "mine", "models": [{"name": "ViT", "zoo": "vit"}]}))

    def deploy(*arguments: str, api: str | None = f"{served.url}/api") -> int:
        with temporary_settings({PREFECT_API_URL: api}):
            return main(["deploy", str(file), *arguments])

    assert deploy("--cron", "30 3 * * 1") == 0
    assert capsys.readouterr().out == "compare/mine\n"
    with served.client() as client:
        found = client.read_deployment_by_name("compare/mine")
        client.delete_deployment(found.id)
    assert [one.schedule.cron for one in found.schedules] == ["30 3 * * 1"]
    assert found.parameters["study"]["models"] == [{"name": "ViT", "zoo": "vit"}]
    assert "seelike" in found.tags

    nobody = "http://127.0.0.1:9/api"
    for arguments, api, words in (
        ((), None, "set PREFECT_API_URL"),
        (("--cron", "soon"), nobody, "--cron 'soon' is not a cron line"),
        (("--pool", "none"), f"{served.url}/api", "work pool 'none' is not on"),
        ((), nobody, f"no Prefect server answers at PREFECT_API_URL {nobody}"),
    ):
        assert deploy(*arguments, api=api) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
