"""The whole way: from images to a report, resumed, repeated, and refused."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.testing.utilities import prefect_test_harness

import tasks.record
from analysis.errors import AnalysisError
from flows.command_line import main
from flows.compare import compare
from flows.errors import StudyError
from storage.errors import StorageError


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


def study(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    tiny = {"img_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 2, "num_heads": 2}
    return {
        "name": "tiny",
        "store": str(tmp_path / "store"),
        "images": {"source": "sample", "count": 66},
        "models": [
            {"name": "ResNet", "zoo": "resnet"},
            {"name": "colour ViT", "timm": "vit_tiny_patch16_224", "arguments": tiny},
        ],
        "batch": 16,
        "report": str(tmp_path / "report"),
    } | changes


def test_both_ways_of_keeping_agree_and_a_second_run_records_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = compare(study(tmp_path))
    streamed = compare(study(tmp_path, keep="signatures", store=str(tmp_path / "other")))
    one, two = kept.open(), streamed.open()
    np.testing.assert_allclose(one["cka"], two["cka"], atol=1e-5)
    assert dict.fromkeys(one["model_a"].values.tolist()) == dict.fromkeys(
        ["ResNet", "colour ViT", "ResNet untrained"]
    )
    assert (tmp_path / "other" / "recordings").exists() is False
    plain = xr.open_zarr(kept.url, consolidated=False)
    assert np.isfinite(plain["cka"]).all()
    assert (plain["cka_low"] <= plain["cka_high"] + 1e-12).all()
    np.testing.assert_allclose(np.diag(plain["cka"]), 1.0)
    page = (tmp_path / "report" / "index.html").read_text()
    assert "colour ViT" in page

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a forward pass although everything is there")

    monkeypatch.setattr(tasks.record, "summarise", refuse)
    assert compare(study(tmp_path)).name == kept.name


KILLED = """
import os, signal, sys
from flows.steps import images_of, subjects_of, surveyed
from flows.study import Study
from storage.recordings import Recording
from storage.store import make_store
from tasks.record import record_shard

study = Study.model_validate(sys.argv[1])
write = Recording.write
def killed(self, batch, values):
    if batch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, batch, values)
if sys.argv[2] == "kill":
    Recording.write = killed
make_store(study.store)
images = images_of(study)
plan = surveyed(subjects_of(study)[0], study, images)
print(record_shard.fn(plan, images, store=study.store, keep="activations", number=0,
                      shard=range(4), device="cpu", forward_batch=16))
"""


def test_a_killed_recording_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    import yaml

    def run(store: str, how: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / f"{store}.yaml"
        file.write_text(yaml.safe_dump(study(tmp_path, store=str(tmp_path / store))))
        return subprocess.run(
            [sys.executable, "-c", KILLED, str(file), how],
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=False,
        )

    assert run("broken", "kill").returncode == -signal.SIGKILL
    resumed = run("broken", "on")
    assert resumed.stdout.strip() == "2", resumed.stderr
    assert run("whole", "on").stdout.strip() == "4"

    def content(store: str) -> dict[str, bytes]:
        root = tmp_path / store / "recordings"
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    assert content("broken") == content("whole")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"models": [{"name": "m", "timm": "resnet5"}]}, AnalysisError, "resnet50"),
        ({"models": [{"name": "m", "zoo": "resnte"}]}, StorageError, "nearest: 'resnet'"),
        ({"taps": ["layer*.*.bn9"]}, AnalysisError, "matched nothing"),
        ({"images": {"source": "folder:absent"}}, StorageError, "does not exist"),
        ({"images": {"source": "sample", "count": 3}}, StorageError, "at least 4"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        compare(study(tmp_path, **changes))
    assert not (tmp_path / "store").exists()


def test_no_space_is_refused_with_both_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.store.Store.free_bytes", lambda _: 1000)
    with pytest.raises(StorageError, match=r"needs .* MB in .* 0.0 MB are free"):
        compare(study(tmp_path))
    assert not (tmp_path / "store").exists()


def test_the_command_line_answers_a_misspelt_key_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("modles: []\nmodels: [{name: a, zoo: vit}]\n")
    assert main(["compare", str(file)]) == 2
    said = capsys.readouterr().err
    assert "unknown key 'modles'; nearest: 'models'" in said
    assert said.count("\n") == 1
    with pytest.raises(StudyError, match="does not exist"):
        from flows.study import read_study

        read_study(tmp_path / "absent.yaml")
