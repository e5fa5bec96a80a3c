"""`sketch`, `nearest`, `export` and `import` as a person meets them."""

import csv
import re
from pathlib import Path

import pytest
import yaml

from seelike.flows.cli.main import main

MODELS = [{"name": "one", "zoo": "vit"}, {"name": "two", "zoo": "mixer"}]


pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two networks, sketched while they were recorded, and nothing else kept."""
    folder = tmp_path_factory.mktemp("sketches")
    asked = {
        "store": str(folder / "store"),
        "images": {"source": "sample", "count": 40},
        "models": MODELS,
        "keep": "sketches",
        "sketch": {"dimension": 1024},
        "batch": 20,
        "baseline": False,
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(asked))
    assert main(["sketch", str(folder / "study.yaml")]) == 0
    return folder / "study.yaml"


Captured = pytest.CaptureFixture[str]


def test_sketching_again_records_nothing(study: Path, capsys: Captured) -> None:
    assert main(["sketch", str(study)]) == 0
    assert capsys.readouterr().out == "sketched 2 models, 0 batches recorded\n"
    store = study.parent / "store"
    assert not (store / "signatures").exists() and not (store / "recordings").exists()


def test_nearest_tells_a_table_and_writes_it_as_csv(
    study: Path, tmp_path: Path, capsys: Captured
) -> None:
    asked = ["nearest", "one:blocks.3", "--store", str(study.parent / "store"), "-k", "4"]
    how = ["--sketches", "--dimension", "1024", "--other-models", "--csv", str(tmp_path / "n.csv")]
    assert main([*asked, *how]) == 0
    head, names, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("nearest to one:blocks.3, among 9 layers, by sketches of 1024 numbers")
    assert names.split() == ["model", "layer", "depth", "rank", "CKA", "low", "high"]
    lines = list(csv.DictReader((tmp_path / "n.csv").read_text().splitlines()))
    assert len(rows) == len(lines) == 4
    for row, line in zip(rows, lines, strict=True):
        model, tap, _, rank, cka, low, high = row.split()
        assert (model, tap, rank) == (line["model"], line["tap"], line["rank"])
        assert model == "two"
        assert f"{float(line['cka']):.3f}" == cka
        assert float(low) <= float(cka) <= float(high)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nearest", "one:blocks.3"], "one:blocks.3 is in .* as a sketch only"),
        (["nearest", "onee:blocks.3", "--sketches"], "model 'onee' is not in .*nearest: 'one'"),
        (["nearest", "one:blocks.3", "--sketches"], "no complete sketch of 2048 numbers"),
        (["nearest", "one:blocks.3", "--sketches", "--dimension", "6"], "multiple of 4"),
        (["nearest", "one:blocks.3", "--sketches", "-k", "0", "--dimension", "1024"], "0 nearest"),
    ],
)
def test_mistakes_are_one_line(
    study: Path, capsys: Captured, arguments: list[str], why: str
) -> None:
    assert main([*arguments, "--store", str(study.parent / "store")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert re.search(why, said.err), said.err


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, capsys: Captured) -> None:
    assert main(["nearest", "one:blocks.3", "--store", str(tmp_path / "none")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["compare", "reproduce", "map"])
def test_sketches_alone_are_not_compared(study: Path, capsys: Captured, verb: str) -> None:
    assert main([verb, str(study)]) == 2
    assert "which keep: sketches does not keep; set keep: signatures" in capsys.readouterr().err


def test_sketches_go_to_another_group(study: Path, tmp_path: Path, capsys: Captured) -> None:
    archive, mine = str(tmp_path / "out.zip"), tmp_path / "mine"
    assert main(["export", str(study), archive]) == 0
    assert main(["import", str(study), archive, "--set", f"store={mine}"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["sketches of one, 9 layers", "sketches of two, 9 layers"]
    assert said[3:] == [f"{model}: sketches of 9 layers imported" for model in ("one", "two")]
    asked = ["nearest", "two:blocks.1", "--store", str(mine), "--sketches", "--dimension", "1024"]
    assert main(asked) == 0
    other = ["import", str(study), archive, "--set", "images.seed=3"]
    assert main(other) == 2
    assert "made on other images" in capsys.readouterr().err


def test_models_that_are_one_network_go_once_and_arrive(tmp_path: Path, capsys: Captured) -> None:
    asked = {
        "store": str(tmp_path / "store"),
        "images": {"source": "sample", "count": 20},
        # Both start from the same weights: their untrained twins are one network.
        "models": [{"name": "all", "zoo": "vit"}, {"name": "some", "zoo": "vit-3-percent"}],
        "keep": "sketches",
        "batch": 20,
    }
    study, other = tmp_path / "study.yaml", tmp_path / "other.yaml"
    study.write_text(yaml.safe_dump(asked))
    other.write_text(yaml.safe_dump(asked | {"store": str(tmp_path / "other")}))
    assert main(["sketch", str(study)]) == 0
    archive = str(tmp_path / "ours.zip")
    assert main(["export", str(study), archive]) == 0
    assert main(["import", str(other), archive]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.endswith("imported")]
    assert len(lines) == 3
    kept = [
        sorted(p.name for p in (tmp_path / at / "sketches").iterdir()) for at in ("store", "other")
    ]
    assert kept[0] == kept[1]
