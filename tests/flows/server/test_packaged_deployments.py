"""Deployments that come with the package are found, installed, and accepted by a server."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from seelike.flows.errors import StudyError
from seelike.flows.server.deployments import (
    AUTOMATIONS,
    PACKAGED,
    Deployments,
    find_deployments,
)
from seelike.flows.server.serve import Service
from seelike.flows.server.serve import deploy as deploy_all
from seelike.flows.server.work_pool import ensure_pool

ROOT = Path(__file__).parents[3]


def test_what_comes_with_the_package_is_what_lies_at_the_root() -> None:
    for packaged in (PACKAGED, AUTOMATIONS):
        assert packaged.read_bytes() == (ROOT / packaged.name).read_bytes()


def test_a_file_of_this_folder_is_preferred_to_the_package_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_deployments(None) == Deployments(PACKAGED, tmp_path)
    assert find_deployments(None).automations == AUTOMATIONS
    own = tmp_path / "deployment.yaml"
    own.write_text("deployments: []")
    assert find_deployments(None) == Deployments(own, tmp_path)
    (tmp_path / "below").mkdir()
    mine = tmp_path / "below" / "mine.yaml"
    mine.write_text("deployments: []")
    assert find_deployments(Path("below/mine.yaml")) == Deployments(mine, tmp_path / "below")
    with pytest.raises(StudyError, match=r"absent\.yaml does not exist"):
        find_deployments(Path("absent.yaml"))


def test_a_wheel_has_the_deployments_and_nothing_outside_seelike(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    # Building writes beside the sources.
    files = ["pyproject.toml", "README.md", "LICENSE", "deployment.yaml", "automations.yaml"]
    folders = ["seelike", "flows", "tasks", "analysis", "storage"]
    copy.mkdir()
    subprocess.run(["cp", "-a", *(str(ROOT / one) for one in (*files, *folders)), copy], check=True)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=copy, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(copy / done.stdout.splitlines()[-1]) as wheel:
        for name in ("deployment.yaml", "automations.yaml"):
            assert wheel.read(f"seelike/flows/server/{name}") == (ROOT / name).read_bytes()
        names = wheel.namelist()
    assert {"seelike/py.typed", "seelike/__main__.py", "seelike/analysis/errors.py"} <= set(names)
    assert all(name.startswith(("seelike/", "seelike-")) for name in names)


def test_a_server_accepts_them_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("analysis", "tasks", "storage", "flows"):
        (tmp_path / f"{name}.py").write_text("raise AssertionError('not ours')")
    asked = {one["name"] for one in yaml.safe_load(PACKAGED.read_text())["deployments"]}
    with prefect_test_harness(server_startup_timeout=120):
        api = PREFECT_API_URL.value()
        assert api is not None
        ensure_pool(api)
        port = int(api.split(":")[2].split("/")[0])
        deploy_all(Service(port, tmp_path), find_deployments(None))
        with get_client(sync_client=True) as client:
            found = {one.name: one for one in client.read_deployments()}
    assert found.keys() == asked
    assert found["nightly"].entrypoint == "seelike.flows.compare.compare"
    (step,) = found["nightly"].pull_steps or [{}]
    folder = step.get("prefect.deployments.steps.set_working_directory", {}).get("directory")
    assert Path(str(folder or found["nightly"].path)).resolve() == tmp_path.resolve()
