"""Probing models, the whole way: from images to a report, repeated, resumed and refused."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
import zarr
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

import seelike.tasks.recording.forward_passes
import seelike.tasks.reports.probing.page
from seelike.analysis.probing import FULL
from seelike.flows.cli.main import main
from seelike.flows.probe import probe
from seelike.storage.images import from_sample
from seelike.storage.maintenance import entries, remove
from seelike.storage.store import open_store
from seelike.tasks.results import ProbesResult

COUNT = 120
DESIGN: dict[str, Any] = {"shots": [1, 5], "draws": 2}


pytestmark = pytest.mark.usefixtures("server")


def study(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "probes",
        "store": str(folder / "store"),
        "images": {"source": "sample", "count": COUNT},
        "models": [
            {"name": "ViT", "zoo": "vit", "taps": ["patch_embed", "blocks.3", "blocks.7"]},
            {"name": "ResNet", "zoo": "resnet", "taps": ["layer2.1", "layer3.1", "layer4.1"]},
        ],
        "batch": 50,
        "probing": DESIGN,
        "report": str(folder / "report"),
    } | changes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("probe")


@pytest.fixture(scope="module")
def finished(folder: Path, server: None) -> ProbesResult:  # noqa: ARG001
    """Two networks and their untrained twins, probed."""
    return probe(study(folder))


def one(dataset: xr.Dataset, **wanted: Any) -> xr.Dataset:
    rows = np.all([dataset[name].values == value for name, value in wanted.items()], axis=0)
    assert rows.sum() == 1
    return dataset.isel(probe=int(np.flatnonzero(rows)[0]))


def test_accuracies_are_those_of_scikit_learn_on_the_recorded_features(
    folder: Path, finished: ProbesResult
) -> None:
    labels = np.array(from_sample(count=COUNT).labels)
    for model, tap, feature, reduced in (
        ("ViT", "blocks.3", "cls", lambda x: x[:, 0]),
        ("ViT", "blocks.7", "mean", lambda x: x[:, 1:].mean(axis=1)),
        ("ResNet", "layer2.1", "mean", lambda x: x.mean(axis=(2, 3))),
    ):
        dataset = finished.open(model).load()
        found = one(dataset, tap=tap, feature=feature, shots=FULL)
        recording = zarr.open_group(folder / "store" / "recordings" / dataset.attrs["recording"])
        x = reduced(np.asarray(recording[tap][:], np.float64))
        train, test = (dataset["part"].values == part for part in ("train", "test"))
        scaled = StandardScaler().fit(x[train])
        inner = scaled.transform(x[train])
        centred = inner - inner.mean(axis=0)
        penalty = float(found["penalty"]) * np.square(centred).sum() / len(centred)
        ridge = Ridge(alpha=penalty).fit(inner, 2 * np.eye(10)[labels[train]] - 1)
        answers = ridge.predict(scaled.transform(x[test])).argmax(axis=1)
        np.testing.assert_allclose(float(found["accuracy"]), (answers == labels[test]).mean())


def test_a_dataset_says_which_images_were_for_what(finished: ProbesResult) -> None:
    parts = []
    for found in finished.found:
        dataset = finished.open(found.plan.name)
        assert dataset["image"].values.tolist() == list(from_sample(count=COUNT).ids)
        own = dataset["part"].values.tolist()
        counts = {part: own.count(part) for part in ("train", "held_out", "test")}
        assert dataset.attrs["split"] == counts | {"seed": 0}
        assert sum(counts.values()) == COUNT
        parts.append(own)
    # All models are tested on the same images.
    assert parts == [parts[0]] * 4
    vit = finished.open("ViT")
    tokens = vit.isel(probe=np.flatnonzero(vit["feature"] == "token"))
    assert tokens.sizes["probe"] == 3 * 49
    assert set(tokens["shots"].values) == {5}
    resnet = finished.open("ResNet")
    tokens = resnet.isel(probe=np.flatnonzero(resnet["feature"] == "token"))
    assert (tokens["row"].values.max(), tokens["column"].values.max()) == (3, 3)
    plain = xr.open_zarr(finished.url("ResNet untrained"), consolidated=False)
    assert plain.attrs["facts"]["trained"] is False


def test_the_report_has_the_claims_and_a_line_a_probe(folder: Path, finished: ProbesResult) -> None:
    page = Path(str(finished.report)).read_text()
    assert Path(str(finished.report)) == folder / "report" / "probe" / "index.html"
    for experiment in ("E10", "E12"):
        assert f">{experiment}<" in page
    assert f"<dd>{finished.open('ViT').attrs['split']['test']}</dd>" in page
    names = {path.stem for path in (folder / "report" / "probe" / "figures").glob("*.svg")}
    assert names >= {"probes-by-depth-mean", "probes-by-depth-cls", "probes-by-shots"}
    assert names >= {"token-accuracy", "tokens-by-depth-vit"}
    with (folder / "report" / "probe" / "data" / "probes.csv").open() as file:
        lines = [row for row in csv.DictReader(file) if row["model"] == "ViT"]
    dataset = finished.open("ViT")
    np.testing.assert_array_equal(
        [float(line["accuracy"]) for line in lines], dataset["accuracy"].values
    )
    low, high = (dataset[f"accuracy_{end}"].values for end in ("low", "high"))
    assert ((low <= dataset["accuracy"]) & (dataset["accuracy"] <= high)).all()


def test_what_is_there_is_neither_recorded_nor_probed_again(
    folder: Path,
    finished: ProbesResult,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a forward pass although everything is there")

    monkeypatch.setattr(seelike.tasks.recording.forward_passes, "forward_batches", refuse)
    monkeypatch.setattr(
        seelike.tasks.reports.probing.page, "SECTIONS", ()
    )  # Drawing takes longest.
    store = open_store(str(folder / "store"))
    before = finished.open("ViT").load()
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study(folder, report=str(tmp_path / "report"))))
    # What a run that was killed leaves: one model's probes are missing.
    remove(store, next(found.name for found in finished.found if found.plan.name == "ViT"))
    assert main(["probe", str(file)]) == 0
    page = f"{tmp_path}/report/probe/index.html"
    assert capsys.readouterr().out.splitlines() == ["probed 1 of 4 models", page]
    xr.testing.assert_equal(finished.open("ViT").load(), before)
    # Activations that were removed stay away.
    remove(store, "recordings")
    assert main(["probe", str(file)]) == 0
    assert capsys.readouterr().out.splitlines() == ["probed 0 of 4 models", page]
    assert {one.about for one in entries(store)} == {found.plan.name for found in finished.found}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["images.source=folder:flat"], "flat have no labels, which probes learn; take sample"),
        (["images.source=folder:one"], "all 40 images are of class 0"),
        (
            ["probing.shots=[1, 10]"],
            "shots are 10, but the smallest class, 0, has 6 training images (of its 9, 2 "
            "are for testing and 1 held out); set probing.shots to at most 6",
        ),
        (["keep=signatures"], "probes read activations, which keep: signatures does not keep"),
        (["probing.shot=[1]"], "unknown key 'probing.shot'; nearest: 'shots'"),
    ],
)
def test_what_cannot_be_probed_is_refused_in_one_line_before_anything_is_recorded(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    settings: list[str],
    message: str,
) -> None:
    for place in ("flat", "one/cat"):
        (tmp_path / place).mkdir(parents=True)
        for i in range(40):
            Image.fromarray(np.full((28, 28), i, np.uint8)).save(tmp_path / place / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(yaml.safe_dump(study(tmp_path, images={})))
    arguments = [word for one in ["images.count=null", *settings] for word in ("--set", one)]
    if "probing.shots" in settings[0]:
        arguments += ["--set", f"images.count={COUNT}"]
    assert main(["probe", "study.yaml", *arguments]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("seelike: ")] == said[-1:]
    assert message in said[-1]
    assert not (tmp_path / "store").exists() and not (tmp_path / "report").exists()
