"""The whole way with a bucket for a store: the same numbers, the same resuming, a report."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.testing.utilities import prefect_test_harness

import seelike.tasks.recording.forward_passes
from seelike.flows.cli.main import main
from seelike.flows.commands.plan import plan
from seelike.flows.compare import compare
from seelike.flows.study.study import Study
from seelike.storage.errors import StorageError
from seelike.storage.places.bucket import Bucket


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Iterator[None]:
    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


def study(store: str, report: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": "two networks",
        "store": store,
        "images": {"source": "sample", "count": 66},
        "models": [{"name": "ViT", "zoo": "vit"}, {"name": "ResNet", "zoo": "resnet"}],
        "baseline": False,
        "batch": 16,
        "permutations": 20,
        "report": report,
    } | changes


def test_a_bucket_gives_what_a_folder_gives(
    tmp_path: Path,
    bucket: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = study(f"{bucket.url}/store", f"{bucket.url}/report")
    assert f"no limit known in {bucket.url}/store" in plan(Study.model_validate(asked))
    assert bucket.objects() == {}
    kept = compare(asked)
    local = compare(study(str(tmp_path / "store"), str(tmp_path / "report")))
    assert kept.recorded == local.recorded == 8
    found, expected = kept.open().load(), local.open().load()
    assert set(found.variables) == set(expected.variables)
    for name, variable in expected.variables.items():
        np.testing.assert_array_equal(found[name].values, variable.values, err_msg=str(name))
    assert kept.url == f"{bucket.url}/store/comparisons/{kept.name}"
    # To the byte; comparisons say when they were made.
    for kind in ("recordings", "signatures"):
        root = tmp_path / "store" / kind
        files = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        assert bucket.objects(f"store/{kind}/") == files
    assert bucket.objects("store/locks/") == {}

    assert kept.report == f"{bucket.url}/report/index.html"
    report = bucket.objects("report/")
    written = tmp_path / "report"
    names = {str(p.relative_to(written)) for p in written.rglob("*") if p.is_file()}
    assert report.keys() == names
    assert {"index.html", "data/cka.csv"} < names
    assert report["data/cka.csv"] == (written / "data" / "cka.csv").read_bytes()
    assert b"ResNet" in report["index.html"]

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a forward pass although everything is there")

    monkeypatch.setattr(seelike.tasks.recording.forward_passes, "summarise", refuse)
    bucket.delete("report/index.html")
    assert compare(asked).recorded == 0
    assert bucket.objects("report/") == report

    capsys.readouterr()
    for action in (["verify"], ["rm", "--what", "recordings"], ["ls"]):
        assert main(["store", *action, f"{bucket.url}/store"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "every complete batch matches its checksum"
    assert said[1].startswith("removed 2 entries")
    kinds = [line.split()[0] for line in said[3:-1]]
    assert kinds == ["signatures", "signatures", "measures", "comparisons"]
    assert bucket.objects("store/recordings/") == {}


KILLED = """
import os, signal, sys
from seelike.flows.run.opened_study import open_study
from seelike.flows.study.study import Study
from seelike.storage.places.bucket import Bucket
from seelike.storage.store import make_store
from seelike.tasks.recording.record import record_shard

how, *files = sys.argv[1:]
write = Bucket.write
written = []
def killed(self, key, content):
    if "/c/" in key:
        written.append(key)
    if len(written) == 30:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, key, content)
if how == "killed":
    Bucket.write = killed
for file in files:
    study = Study.model_validate(file)
    make_store(study.store)
    opened = open_study(study)
    plan = opened.plan(study.networks()[0])
    print(record_shard.fn(plan, opened.images, store=study.store, keep="activations", number=0,
                          shard=range(4), device="cpu", forward_batch=16))
"""


def test_a_killed_recording_goes_on_and_ends_with_the_same_objects(
    tmp_path: Path, bucket: Any
) -> None:
    def run(how: str, *stores: str) -> subprocess.CompletedProcess[str]:
        files = [tmp_path / f"{store}.yaml" for store in stores]
        for file in files:
            file.write_text(yaml.safe_dump(study(f"{bucket.url}/{file.stem}", "report")))
        return subprocess.run(
            [sys.executable, "-c", KILLED, how, *map(str, files)],
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=False,
        )

    assert run("killed", "broken").returncode == -signal.SIGKILL
    # The dead one's lock, taken over sooner than the next run would do it.
    (held,) = bucket.objects("broken/locks/")
    with Bucket(f"{bucket.url}/broken").lock(held.removesuffix(".lock"), stale=1):
        pass
    done = run("whole", "broken", "whole")
    resumed, whole = map(int, done.stdout.split())
    assert 0 < resumed < whole == 4, done.stderr
    assert bucket.objects("broken/") == bucket.objects("whole/")


def test_a_bucket_that_is_not_there_is_refused_before_any_work(
    tmp_path: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seelike.tasks.planning.survey, "load", None)
    for asked in (
        study("s3://no-such-bucket/store", str(tmp_path / "report")),
        study(f"{bucket.url}/store", "s3://no-such-bucket/report"),
    ):
        with pytest.raises(StorageError, match="bucket 'no-such-bucket' does not exist"):
            compare(asked)
    assert bucket.objects() == {}
    assert list(tmp_path.iterdir()) == []
