"""What the server knows of a run: its names, progress that moves, numbers, words and a picture."""

from typing import Any

import httpx
import pytest
from prefect import flow, task
from prefect.logging.handlers import APILogHandler
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

import seelike.tasks.runtime.progress
from seelike.tasks.runtime.progress import progress


def artifact(served: Any, key: str) -> dict[str, Any]:
    with served.client() as client:
        found: dict[str, Any] = client.request("GET", f"/artifacts/{key}/latest").json()
    return found


def test_runs_and_artifacts_are_named_after_models_and_shards(served: Any, small: Any) -> None:
    run, index = small
    assert run.name == "compare-Small study"
    with served.client() as client:
        names = {one.name for one in client.read_task_runs() if one.flow_run_id == run.id}
        found = client.request(
            "POST",
            "/artifacts/filter",
            json={"artifacts": {"flow_run_id": {"any_": [str(run.id)]}}},
        ).json()
    assert {"survey ViT", "record ViT shard 0", "record ResNet shard 0", "sign ViT"} <= names
    shown = {one["key"]: one for one in found}
    assert shown.keys() == {
        "record-vit-shard-0",
        "record-resnet-shard-0",
        "claims-small-study",
        "numbers-small-study",
        "report-small-study",
    }
    for key in ("record-vit-shard-0", "record-resnet-shard-0"):
        assert (shown[key]["type"], shown[key]["data"]) == ("progress", 100.0)
        assert shown[key]["task_run_id"] is not None
    assert f"`{index}`" in shown["report-small-study"]["data"]
    assert "ViT and ResNet" in shown["report-small-study"]["data"]


def test_progress_moves_while_the_step_goes_on(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seelike.tasks.runtime.progress, "EVERY_SECONDS", 0.0)
    seen = []

    @task
    def step() -> None:
        with progress("record My.Net (2) shard 3", total=8, unit="images", done=2) as shown:
            for _ in range(3):
                seen.append(artifact(served, "record-my-net-2-shard-3")["data"])
                shown.advance(2)

    @flow
    def steps() -> None:
        step()

    with temporary_settings(
        {PREFECT_API_URL: f"{served.url}/api", PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    ):
        steps()
        APILogHandler().flush()
    assert seen == [25, 50, 75]
    last = artifact(served, "record-my-net-2-shard-3")
    assert last["data"] == 100
    assert last["description"] == "record My.Net (2) shard 3: 8 of 8 images"


def test_a_server_that_is_gone_ends_the_showing_not_the_step(
    served: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(seelike.tasks.runtime.progress, "EVERY_SECONDS", 0.0)

    def gone(*_: Any, **__: Any) -> None:
        raise httpx.ConnectError("All connection attempts failed")

    monkeypatch.setattr(seelike.tasks.runtime.progress, "update_progress_artifact", gone)

    @task
    def step() -> int:
        done = 0
        with progress("step", total=3, unit="images") as shown:
            for _ in range(3):
                shown.advance(1)
                done += 1
        return done

    @flow
    def steps() -> int:
        return step()

    with temporary_settings(
        {PREFECT_API_URL: f"{served.url}/api", PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    ):
        assert steps() == 3
        APILogHandler().flush()
    said = [r.message for r in caplog.records if "progress is not shown any more" in r.message]
    assert len(said) == 1
