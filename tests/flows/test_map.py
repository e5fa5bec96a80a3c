"""From layers to models and to a map, the whole way: the page, its numbers, repeated, refused."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

import seelike.tasks.model_map.map_models
from seelike.analysis.similarity.models.aggregates import aligned, best_match
from seelike.analysis.similarity.models.dendrograms import model_distances
from seelike.analysis.similarity.models.permanova import permanova
from seelike.flows.cli.main import main
from seelike.flows.map import map_study
from seelike.storage.maintenance import entries, remove
from seelike.storage.store import open_store
from seelike.tasks.results import MapResult

MODELS = [
    {"name": "ViT", "zoo": "vit", "taps": ["patch_embed", "blocks.1", "blocks.4", "blocks.7"]},
    {"name": "ViT again", "zoo": "vit", "taps": ["patch_embed", "blocks.4", "blocks.7"]},
    {"name": "ViT seed 1", "zoo": "vit-seed1", "taps": ["blocks.0", "blocks.4", "blocks.7"]},
    {"name": "ResNet", "zoo": "resnet", "taps": ["layer1.1", "layer3.1", "layer4.1"]},
    {"name": "ResNet (1)", "zoo": "resnet-seed1", "taps": ["layer1.1", "layer3.1", "layer4.1"]},
]


pytestmark = pytest.mark.usefixtures("server")


def study(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "mapped",
        "store": str(folder / "store"),
        "images": {"source": "sample", "count": 48},
        "models": MODELS,
        "baseline": False,
        "batch": 24,
        "keep": "signatures",
        "permutations": 20,
        "report": str(folder / "report"),
    } | changes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("map")


@pytest.fixture(scope="module")
def finished(folder: Path, server: None) -> MapResult:  # noqa: ARG001
    return map_study(study(folder))


def test_aggregates_are_those_of_the_comparison(finished: MapResult) -> None:
    mapped, compared = finished.open().load(), finished.pairs.open().load()
    names = [model["name"] for model in MODELS]
    assert mapped["model"].values.tolist() == names
    for a in names:
        for b in names:
            rows, columns = (
                np.flatnonzero(compared[f"model_{side}"].values == name)
                for side, name in (("a", a), ("b", b))
            )
            cells = compared["cka"].values[np.ix_(rows, columns)]
            depths = [compared["depth_a"].values[rows], compared["depth_b"].values[columns]]
            found = mapped["similarity"].sel(model=a, other=b)
            assert float(found.sel(aggregate="aligned")) == pytest.approx(float(aligned(cells)))
            assert float(found.sel(aggregate="best_match")) == pytest.approx(
                float(best_match(cells, *depths, window=0.25))
            )
    for matrix in mapped["similarity"].values:
        np.testing.assert_array_equal(matrix, matrix.T)
        np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-12)


def test_p_values_are_of_pairs_and_of_all_of_them(finished: MapResult) -> None:
    mapped = finished.open().load()
    assert mapped.attrs["draws"] == 40
    off = ~np.eye(5, dtype=bool)
    p, corrected = mapped["p"].values, mapped["corrected"].values
    assert ((corrected >= p) & (p >= 1 / 41))[:, off].all()
    assert (mapped["critical"].values < mapped["similarity"].values)[:, off].all()
    # The same network with fewer taps is more like itself than shuffles make any two.
    assert (mapped["corrected"].sel(model="ViT", other="ViT again").values == 1 / 41).all()


def test_the_map_is_that_of_all_angles_at_once(finished: MapResult) -> None:
    mapped = finished.open().load()
    squared = np.arccos(np.clip(finished.pairs.open()["cka"].values.astype(float), -1, 1)) ** 2
    np.fill_diagonal(squared, 0)
    centring = np.eye(len(squared)) - 1 / len(squared)
    values, vectors = np.linalg.eigh(-centring @ squared @ centring / 2)
    expected = vectors[:, [-1, -2]] * np.sqrt(values[[-1, -2]])
    np.testing.assert_allclose(np.abs(mapped["place"].values), np.abs(expected), atol=1e-6)
    depth = mapped["depth"].values
    assert ((depth - depth.mean()) @ mapped["place"].values > 0).all()
    np.testing.assert_allclose(mapped.attrs["shares"], values[[-1, -2]] / values.sum(), rtol=1e-6)


def test_what_explains_it_is_asked_of_each_network_once(finished: MapResult) -> None:
    mapped = finished.open().load()
    assert mapped["factor"].values.tolist() == ["architecture", "seed"]
    assert (mapped["factor_models"].values == 4).all()
    distances = model_distances(mapped["similarity"].sel(aggregate="aligned").values)
    chosen = [0, 2, 3, 4]
    expected = permanova(distances[np.ix_(chosen, chosen)], ["vit", "vit", "resnet", "resnet"])
    found = mapped.sel(aggregate="aligned", factor="architecture")
    assert float(found["factor_share"]) == pytest.approx(expected.share)
    assert float(found["factor_p"]) == pytest.approx(expected.p)
    left_out = mapped.attrs["left_out"]
    assert left_out["size"] == "all 4 models are of one level, below 1 M"
    assert left_out["training"] == "all 4 models are of one level, trained"
    assert left_out.keys() == {"size", "training", "training data", "share of the data"}


def test_the_page_has_the_sections_the_numbers_and_where_they_are_from(
    folder: Path, finished: MapResult
) -> None:
    page = Path(str(finished.report))
    assert page == folder / "report" / "map" / "index.html"
    text = page.read_text()
    for title in ("Similarity of whole models", "Factors that explain it", "A map of all layers"):
        assert f">{title}</h2>" in text
    assert "The tree of the 5 trained networks by aligned similarity" in text
    assert "Not tested: training data (all 4 models are of one level, Fashion-MNIST)" in text
    assert "count once here: ViT again (as ViT)" in text
    assert text.count("<summary>How it was computed</summary>") == 3
    assert 'data-explore="layer-map"' in text
    names = {path.stem for path in (page.parent / "figures").glob("*.png")}
    assert names == {"layer-map", "models-aligned", "models-best-match", "explained"}
    mapped = finished.open().load()
    with (page.parent / "data" / "layers.csv").open() as file:
        layers = list(csv.DictReader(file))
    np.testing.assert_array_equal(
        [[float(row["x"]), float(row["y"])] for row in layers], mapped["place"].values
    )
    assert [row["model"] for row in layers] == mapped["tap_model"].values.tolist()
    with (page.parent / "data" / "models.csv").open() as file:
        pairs = list(csv.DictReader(file))
    assert [float(row["aligned_similarity"]) for row in pairs] == (
        mapped["similarity"].values[0][np.triu_indices(5, 1)].tolist()
    )
    traced = json.loads((page.parent / "provenance.json").read_text())["figures"]
    (origin,) = traced["layer-map"]
    assert (origin["kind"], origin["name"]) == ("maps", finished.name)
    assert origin["origins"][0]["name"] == finished.pairs.name


def test_what_is_there_is_not_computed_again(
    folder: Path,
    finished: MapResult,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study(folder, report=str(tmp_path / "report"))))
    store = open_store(str(folder / "store"))
    assert [one.about for one in entries(store) if one.kind == "maps"] == ["mapped"]
    before = finished.open().load()
    # What a run that was killed leaves: the comparison alone.
    remove(store, finished.name)
    assert main(["map", str(file)]) == 0
    page = f"{tmp_path}/report/map/index.html"
    assert capsys.readouterr().out.splitlines() == [
        "computed the map",
        f"map {finished.url}",
        page,
    ]
    xr.testing.assert_equal(finished.open().load(), before)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("computed although everything is there")

    monkeypatch.setattr(seelike.tasks.model_map.map_models, "aggregate_models", refuse)
    assert main(["map", str(file)]) == 0
    assert (
        capsys.readouterr().out.splitlines()[0]
        == "nothing to compute: everything is already in the store"
    )


def test_too_few_models_are_named_and_a_failed_one_leaves_the_others(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {"name": "mine", "timm": "resnet18", "checkpoint": "missing.safetensors"}
    file = tmp_path / "study.yaml"
    few = study(
        folder,
        models=[MODELS[0], MODELS[3], broken],
        compute={"memory": 1e-6},
        report=str(tmp_path / "report"),
    )
    file.write_text(yaml.safe_dump(few))
    assert main(["map", str(file)]) == 2
    assert "missing.safetensors" in capsys.readouterr().err
    text = (tmp_path / "report" / "map" / "index.html").read_text()
    assert "There is no map: 2 models, expected 3 or more." in text
    assert "There are no p values: shuffles of 7 layers hold" in text
    assert "Not tested: what explains it (2 models, expected 3 or more)." in text
    assert "Model &#39;mine&#39; of the study is missing here" in text
    names = {path.stem for path in (tmp_path / "report" / "map" / "figures").glob("*.png")}
    assert names == {"models-aligned", "models-best-match"}
    one = map_study(study(folder, models=MODELS[:1], report=str(tmp_path / "one")))
    assert "nothing to compare it with" in Path(str(one.report)).read_text()
    assert one.open()["similarity"].values.tolist() == [[[1.0]], [[1.0]]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("map.method=umap", "needs umap-learn, which is not installed; run `pip install"),
        ("map.window=2", "map.window: Input should be less than or equal to 1"),
        ("map.metod=mds", "unknown key 'map.metod'; nearest: 'method'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line_before_anything_is_recorded(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    settings: str,
    message: str,
) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study(tmp_path)))
    assert main(["map", str(file), "--set", settings]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("seelike: ")]
    assert len(said) == 1
    assert message in said[0]
    assert not (tmp_path / "store").exists() and not (tmp_path / "report").exists()
