"""Nobody is told that seelike is used, unless the environment says so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seelike.flows.run.telemetry import OFF

ROOT = Path(__file__).parents[3]
# What the libraries themselves make of the environment, after one of our modules was imported.
ASK = """
import json
import {module}
import prefect._internal.analytics
from huggingface_hub import constants
from prefect.settings import get_current_settings

server = get_current_settings().server
print(json.dumps([
    prefect._internal.analytics.is_telemetry_enabled(),
    server.analytics_enabled,
    server.ui.show_promotional_content,
    server.ui.v2_enabled,
    not constants.HF_HUB_DISABLE_TELEMETRY,
]))
"""


def asked(module: str, folder: Path, **variables: str) -> list[bool]:
    # Little of the environment: Prefect takes that of a CI service for a reason to be silent.
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME")}
    told = subprocess.run(
        [sys.executable, "-c", ASK.format(module=module)],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT), "PREFECT_HOME": str(folder)} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    answer: list[bool] = json.loads(told.stdout)
    return answer


@pytest.mark.parametrize("module", ["seelike.flows.cli.main", "seelike.flows.errors"])
def test_importing_any_part_switches_all_of_it_off(module: str, tmp_path: Path) -> None:
    assert asked(module, tmp_path) == [False] * 5


def test_a_person_may_switch_it_on(tmp_path: Path) -> None:
    on = {"DO_NOT_TRACK": "0", "HF_HUB_DISABLE_TELEMETRY": "0"}
    on |= {name: "true" for name in OFF if name.startswith("PREFECT")}
    assert asked("seelike.flows.cli.main", tmp_path, **on) == [True] * 5
