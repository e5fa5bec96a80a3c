"""Training the zoo: cut off and resumed it ends the same, finished it is left alone."""

import gzip
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from prefect.settings import (
    PREFECT_API_URL,
)

from seelike.analysis.networks import training
from seelike.flows.cli.main import main
from seelike.flows.errors import StudyError
from seelike.flows.train import train
from seelike.storage.datasets import fashion_mnist
from seelike.storage.errors import StorageError
from seelike.storage.images import from_sample
from seelike.storage.networks import zoo as shelf
from seelike.storage.store import open_store

COUNTS = {"train": 256, "test": 64}
EPOCHS, BATCH = 2, 64
STEPS = EPOCHS * COUNTS["train"] // BATCH


pytestmark = pytest.mark.usefixtures("server")


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
        "report": str(folder / "report"),
        "training": {
            "output": str(folder / "checkpoints"),
            "downloads": str(folder / "downloads"),
            "recipe": {"epochs": EPOCHS, "batch": BATCH},
        },
    } | changes


def half(folder: Path) -> dict[str, Any]:
    """The same on half of the images, in as many steps as all would take."""
    own = {"name": "a vit", "zoo": "vit", "seed": 3, "training": {"fraction": 0.5}}
    return study(folder, models=[own])


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
from seelike.analysis.networks import training
from seelike.flows.train import train
from seelike.storage.datasets import fashion_mnist

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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    # The last digits of sums go with the number of threads, which is held in both processes.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    request.addfinalizer(lambda: torch.set_num_threads(before))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    broken.mkdir()
    file = broken / "study.yaml"
    file.write_text(yaml.safe_dump(half(broken)))
    first = subprocess.run(
        [sys.executable, "-c", KILLED, str(file)],
        capture_output=True,
        text=True,
        env=os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value()},
        check=False,
    )
    assert first.returncode == -signal.SIGKILL, first.stderr
    assert not (broken / "checkpoints").exists()
    assert len(open_store(str(broken / "store")).names("training")) == 1

    made = steps_of(monkeypatch)
    (resumed,) = train(half(broken)).checkpoints
    assert made == list(range(STEPS // 2, STEPS))  # The second epoch, from its beginning.
    made.clear()
    (undisturbed,) = train(half(whole)).checkpoints
    assert made == list(range(STEPS))

    same = resumed.read_bytes() == undisturbed.read_bytes()
    assert same, "the weights differ"  # Their bytes would be a megabyte of difference.
    assert card(broken)["digest"] == card(whole)["digest"]
    assert card(broken)["test"] == card(whole)["test"]
    curves = [[epoch["loss"] for epoch in card(folder)["curve"]] for folder in (broken, whole)]
    assert curves[0] == curves[1]
    assert len(curves[0]) == EPOCHS
    assert card(whole)["fraction"] == 0.5
    assert card(whole)["images"].startswith("Fashion-MNIST, 12")  # About half of 256.
    assert card(whole)["steps"] == STEPS


@pytest.mark.usefixtures("few_images")
def test_what_is_finished_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = train(study(tmp_path)).checkpoints
    assert card(tmp_path)["steps"] == STEPS
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in path.parent.iterdir()}
    assert len(before) == 2
    made = steps_of(monkeypatch)

    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study(tmp_path)))
    assert main(["train", str(file)]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(path), str(tmp_path / "report/training/index.html")]
    assert "step" not in said.err
    assert made == []
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in path.parent.iterdir()} == before

    # Cut off after the last epoch, before the checkpoint: it is written, nothing is trained.
    for gone in before:
        gone.unlink()
    assert train(study(tmp_path)).checkpoints == (path,)
    assert made == []
    assert "step" not in capsys.readouterr().err
    assert path.read_bytes() == before[path][0]
    assert path.with_suffix(".json").read_bytes() == before[path.with_suffix(".json")][0]


@pytest.mark.usefixtures("few_images")
def test_the_card_tells_what_was_trained_and_another_seed_is_another_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = train(study(tmp_path)).checkpoints
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


def trained(name: str, **training: Any) -> dict[str, Any]:
    return {"name": name, "zoo": "resnet", "seed": 3, "training": training}


@pytest.mark.usefixtures("few_images")
def test_fine_tuning_begins_with_the_weights_of_its_start_and_one_that_fails_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[dict[str, torch.Tensor]] = []
    epochs = training.epochs

    def seen(network: Any, *arrays: Any, **named: Any) -> Any:
        begun.append({key: value.clone() for key, value in network.state_dict().items()})
        return epochs(network, *arrays, **named)

    monkeypatch.setattr(training, "epochs", seen)
    recipe = {"epochs": 1, "batch": 64}
    models = [
        trained("first", recipe=recipe),
        trained("none of a class", fraction=0.001),
        trained("after that", start="none of a class"),
        trained("tuned", data="digits", start="first", recipe=recipe),
    ]
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study(tmp_path, models=models)))
    assert main(["train", str(file)]) == 2
    told = capsys.readouterr().err
    reason = "a fraction of 0.001 leaves no image of class 't-shirt', of which Fashion-MNIST has"
    assert f"model 'none of a class' failed, the others continue: {reason}" in told
    assert "'after that': it starts from 'none of a class', which failed" in told

    output = tmp_path / "checkpoints"
    assert shelf.members(output) == ["first", "tuned"]
    start = shelf.weights("first", output)
    assert begun[1].keys() == start.keys()
    for name, value in start.items():
        np.testing.assert_array_equal(
            begun[1][name].numpy(), value.astype(begun[1][name].numpy().dtype)
        )
    tuned = shelf.card("tuned", output)
    assert tuned["start"] == {"name": "first", "digest": shelf.card("first", output)["digest"]}
    assert tuned["images"] == "digits, 1 200 training images"
    assert tuned["test"]["total"] == 597

    page = (tmp_path / "report" / "training" / "index.html").read_text()
    for name in ("first", "tuned"):
        right = shelf.card(name, output)["test"]
        assert f"{right['correct'] / right['total']:.4f} [" in page
    assert "&#39;none of a class&#39; of the study is missing here" in page


@pytest.mark.usefixtures("few_images")
def test_a_start_that_cannot_be_is_named_with_the_remedy(tmp_path: Path) -> None:
    def starting(*models: dict[str, Any], match: str) -> None:
        refused(tmp_path, match, models=list(models))

    starting(trained("a", start="resnte"), match="'resnte', which is neither .* nearest: 'resnet'")
    starting(trained("a", start="b"), trained("b"), match="'b', which the study trains no earlier")
    starting(trained("a", start="a"), match="'a', which the study trains no earlier")
    starting(
        trained("a", start="vit"),
        match="'a' is a resnet and cannot start from 'vit', a vit: weights fit the same arch",
    )
    assert not (tmp_path / "store").exists()


@pytest.mark.usefixtures("few_images")
def test_on_a_full_disk_what_was_there_stays_and_the_training_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.yaml"
    first = study(tmp_path, models=[trained("a vit")])
    file.write_text(yaml.safe_dump(first))
    output = tmp_path / "checkpoints"
    train(first)
    before = {path: path.read_bytes() for path in output.iterdir()}
    seed = study(tmp_path, models=[trained("a vit") | {"seed": 4}])
    file.write_text(yaml.safe_dump(seed))

    opened = Path.open
    full = ["a vit.json"]

    def out_of_space(path: Path, *how: Any, **named: Any) -> Any:
        # The system's own file that is always full.
        if path.name.endswith(".partial") and any(name in path.name for name in full):
            return opened(Path("/dev/full"), *how, **named)
        return opened(path, *how, **named)

    monkeypatch.setattr(Path, "open", out_of_space)
    # First the state after an epoch does not go in, then the card of the trained network.
    for name in (".safetensors.", "a vit.json"):
        full[:] = [name]
        assert main(["train", str(file)]) == 1
        told = capsys.readouterr().err.splitlines()[-1]
        assert "No space left on device for" in told and "free some space and run the same" in told
        assert {path: path.read_bytes() for path in output.iterdir()} == before
    made = steps_of(monkeypatch)
    full.clear()
    assert main(["train", str(file)]) == 0
    assert made == []  # Its states are there: nothing is trained twice.
    assert shelf.card("a vit", output)["seed"] == 4
    shelf.weights("a vit", output)
