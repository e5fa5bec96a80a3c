"""Training the zoo: cut off and resumed it ends the same, finished it is left alone."""

import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from analysis.networks import training
from flows.command_line import main
from flows.errors import StudyError
from flows.train import train
from storage import fashion_mnist
from storage import zoo as shelf
from storage.errors import StorageError
from storage.images import from_sample
from storage.store import open_store

COUNTS = {"train": 256, "test": 64}
EPOCHS, BATCH = 2, 64
STEPS = EPOCHS * COUNTS["train"] // BATCH


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fashion-MNIST's four files, with a few of the shipped images in them."""
    folder = tmp_path_factory.mktemp("fashion-mnist")
    sample = from_sample(count=sum(COUNTS.values()))
    assert sample.labels is not None
    start = 0
    for split, (prefix, _) in fashion_mnist.SPLITS.items():
        part = range(start, start := start + COUNTS[split])
        images = np.stack([np.asarray(sample.read(i)) for i in part])
        labels = np.array([sample.labels[i] for i in part], np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = np.array([0x0800 + array.ndim, *array.shape], ">u4").tobytes()
            content = gzip.compress(head + array.tobytes())
            (folder / f"{prefix}-{kind}-ubyte.gz").write_bytes(content)
    return folder


@pytest.fixture
def few_images(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fashion_mnist.ENVIRONMENT, str(data))
    for split, (prefix, _) in list(fashion_mnist.SPLITS.items()):
        monkeypatch.setitem(fashion_mnist.SPLITS, split, (prefix, COUNTS[split]))


def study(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "few",
        "store": str(folder / "store"),
        "models": [{"name": "a vit", "zoo": "vit", "seed": 3}],
        "compute": {"device": "cpu"},
        "training": {
            "output": str(folder / "checkpoints"),
            "downloads": str(folder / "downloads"),
            "recipe": {"epochs": EPOCHS, "batch": BATCH},
        },
    } | changes


def steps_of(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The optimisation steps that are made from now on, each when it is made."""
    made: list[int] = []
    rate = training.rate

    def counted(step: int, steps: int, **named: Any) -> float:
        made.append(step)
        assert steps == STEPS
        return rate(step, steps, **named)

    monkeypatch.setattr(training, "rate", counted)
    return made


def card(folder: Path) -> dict[str, Any]:
    return shelf.card("a vit", folder / "checkpoints")


# The flow in a process of its own, killed at the second step of the second epoch.
KILLED = """
import os, signal, sys
from analysis.networks import training
from flows.train import train
from storage import fashion_mnist

for split, count in (("train", 256), ("test", 64)):
    fashion_mnist.SPLITS[split] = (fashion_mnist.SPLITS[split][0], count)
rate = training.rate
def killed(step, steps, **named):
    if step == steps // 2 + 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return rate(step, steps, **named)
training.rate = killed
train(sys.argv[1])
"""


@pytest.mark.usefixtures("few_images")
def test_a_killed_training_goes_on_and_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    broken.mkdir()
    file = broken / "study.yaml"
    file.write_text(yaml.safe_dump(study(broken)))
    first = subprocess.run(
        [sys.executable, "-c", KILLED, str(file)],
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "PREFECT_API_URL": PREFECT_API_URL.value(),
            "OMP_NUM_THREADS": str(torch.get_num_threads()),
        },
        check=False,
    )
    assert first.returncode == -signal.SIGKILL, first.stderr
    assert not (broken / "checkpoints").exists()
    assert len(open_store(str(broken / "store")).names("training")) == 1

    made = steps_of(monkeypatch)
    (resumed,) = train(study(broken))
    assert made == list(range(STEPS // 2, STEPS))  # The second epoch, from its beginning.
    made.clear()
    (undisturbed,) = train(study(whole))
    assert made == list(range(STEPS))

    assert resumed.read_bytes() == undisturbed.read_bytes()
    assert card(broken)["digest"] == card(whole)["digest"]
    assert card(broken)["test"] == card(whole)["test"]
    curves = [[epoch["loss"] for epoch in card(folder)["curve"]] for folder in (broken, whole)]
    assert curves[0] == curves[1]
    assert len(curves[0]) == EPOCHS


@pytest.mark.usefixtures("few_images")
def test_what_is_finished_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = train(study(tmp_path))
    assert f"{STEPS}/{STEPS}" in capsys.readouterr().err
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in path.parent.iterdir()}
    assert len(before) == 2
    made = steps_of(monkeypatch)

    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study(tmp_path)))
    assert main(["train", str(file)]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(path)]
    assert "step" not in said.err
    assert made == []
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in path.parent.iterdir()} == before

    # Cut off after the last epoch, before the checkpoint: it is written, nothing is trained.
    for gone in before:
        gone.unlink()
    assert train(study(tmp_path)) == [path]
    assert made == []
    assert "step" not in capsys.readouterr().err
    assert path.read_bytes() == before[path][0]
    assert path.with_suffix(".json").read_bytes() == before[path.with_suffix(".json")][0]


@pytest.mark.usefixtures("few_images")
def test_the_card_tells_what_was_trained_and_another_seed_is_another_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = train(study(tmp_path))
    told = card(tmp_path)
    assert (told["family"], told["seed"]) == ("vit", 3)
    assert (told["recipe"]["epochs"], told["recipe"]["batch"]) == (EPOCHS, BATCH)
    assert told["test"]["total"] == COUNTS["test"]
    assert told["test"]["accuracy"] == told["test"]["correct"] / COUNTS["test"]
    weights = shelf.weights("a vit", path.parent)
    assert {w.dtype for w in weights.values()} == {np.dtype(np.float16)}
    assert sum(w.size for w in weights.values()) == told["parameters"]

    made = steps_of(monkeypatch)
    train(study(tmp_path, models=[{"name": "a vit", "zoo": "vit", "seed": 4}]))
    assert made == list(range(STEPS))
    assert card(tmp_path)["training"] != told["training"]
    assert card(tmp_path)["digest"] != told["digest"]


def refused(tmp_path: Path, match: str, **changes: Any) -> None:
    with pytest.raises((StorageError, StudyError), match=match) as error:
        train(study(tmp_path, **changes))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "checkpoints").exists()
    assert not (tmp_path / "store" / "training").exists()


@pytest.mark.usefixtures("few_images")
def test_a_named_folder_that_lacks_the_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    absent = tmp_path / "absent"
    monkeypatch.setenv(fashion_mnist.ENVIRONMENT, str(absent))
    refused(tmp_path, rf"\$SEELIKE_FASHION_MNIST names {absent}, which lacks Fashion-MNIST's files")
    absent.mkdir()
    for file in data.iterdir():
        (absent / file.name).write_bytes(file.read_bytes())
    (absent / "t10k-labels-idx1-ubyte.gz").unlink()
    refused(tmp_path, r"\$SEELIKE_FASHION_MNIST names .* lacks")


def test_data_that_are_nowhere_are_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision.datasets

    def offline(*_: Any, **__: Any) -> None:
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.delenv(fashion_mnist.ENVIRONMENT, raising=False)
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", offline)
    refused(
        tmp_path,
        r"is neither in .*debian \(Debian's package dataset-fashion-mnist\) nor in .*downloads, "
        r"and torchvision could not fetch it: .*; install the package, or name its folder in \$",
    )


def test_files_that_are_not_the_whole_data_set_are_refused(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fashion_mnist.ENVIRONMENT, str(data))
    refused(tmp_path, r"hold 256 images and 256 labels, expected 60000 of each; fetch them again")


@pytest.mark.usefixtures("few_images")
def test_a_network_that_the_zoo_does_not_have_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "zoo is 'vti', expected one of vit", models=[{"name": "a", "zoo": "vti"}])
    refused(tmp_path, "zoo is None", models=[{"name": "a", "timm": "resnet18"}])
    assert not (tmp_path / "store").exists()
