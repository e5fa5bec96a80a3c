"""Two runs on one store at once: no batch is recorded twice, and both end with the same numbers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from seelike.storage.arrays.recordings import open_recording
from seelike.storage.maintenance import faults
from seelike.storage.store import open_store

ROOT = Path(__file__).parents[2]


def begun(number: int, tmp_path: Path, study: Path) -> subprocess.Popen[str]:
    """A run in a process of its own, with a Prefect of its own."""
    home = tmp_path / f"home-{number}"
    home.mkdir()
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "seelike.flows.cli.main", "compare", str(study)),
            *("--set", f"report={tmp_path / f'report-{number}'}"),
        ],
        cwd=home,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PREFECT_HOME": str(home),
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_share_the_work_and_end_with_one_comparison(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    asked = {
        "name": "twice",
        "store": str(tmp_path / "store"),
        "images": {"source": "sample", "count": 128},
        "models": [{"name": "ResNet", "zoo": "resnet"}, {"name": "Mixer", "zoo": "mixer"}],
        "batch": 16,
        "compute": {"shard": 32},
    }
    study.write_text(yaml.safe_dump(asked))
    runs = [begun(number, tmp_path, study) for number in range(2)]
    said = [run.communicate(timeout=240) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said

    recorded = [
        int((re.findall(r"^recorded (\d+) batches", out, re.M) or [0])[0]) for out, _ in said
    ]
    assert sum(recorded) == 4 * 8, said
    compared = [re.findall(r"^comparison (.*)$", out, re.M) for out, _ in said]
    assert compared[0] == compared[1] and len(compared[0]) == 1
    store = open_store(str(tmp_path / "store"))
    names = store.names("recordings")
    assert len(names) == 4 and not any(open_recording(store, name).missing() for name in names)
    assert list(faults(store)) == []
    figures = [
        {path.name: path.read_bytes() for path in (tmp_path / f"report-{n}" / "data").iterdir()}
        for n in range(2)
    ]
    assert figures[0] == figures[1]
