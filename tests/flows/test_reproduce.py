"""The whole paper on small studies: a verdict on every claim, nothing twice, what is lacking."""

import html
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seelike.analysis.claims import CLAIMS, VERDICTS
from seelike.flows.anatomy import anatomy
from seelike.flows.cli.main import main
from seelike.flows.compare import compare
from seelike.flows.errors import Incomplete
from seelike.flows.reproduce import reproduce
from seelike.storage.store import open_store
from seelike.tasks.results import ReproductionResult

pytestmark = pytest.mark.usefixtures("server")


def study(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "whole",
        "store": str(folder / "store"),
        "images": {"source": "sample", "count": 32},
        "models": [
            {"name": "ViT", "zoo": "vit"},
            {"name": "ViT again", "zoo": "vit-seed1"},
            {"name": "ResNet", "zoo": "resnet"},
        ],
        "batch": 8,
        "baseline": False,
        "permutations": 0,
        "receptive_field_images": 8,
        "report": str(folder / "report"),
    } | changes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reproduce")


@pytest.fixture(scope="module")
def finished(folder: Path, server: None, unrendered: None) -> ReproductionResult:  # noqa: ARG001
    """Two ViTs and a ResNet, after one of them was compared and looked into alone."""
    compare(study(folder, report=str(folder / "alone")))
    return reproduce(study(folder))


def text(folder: Path) -> str:
    shown = (folder / "index.html").read_text()
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", shown)))


def verdicts(folder: Path) -> dict[str, str]:
    """What the first screen of the report in ``folder`` says of every claim, by its id."""
    shown = (folder / "index.html").read_text()
    first = shown[: shown.index("Claims and numbers")]
    rows = re.findall(r"<tr role=\"row\">.*?</tr>", first, re.DOTALL)
    found = {}
    for claim in CLAIMS:
        own = [row for row in rows if claim.sentence in html.unescape(row)]
        if own:
            judged = re.search(r'data-heading="Verdict">(.*?)</td>', own[0], re.DOTALL)
            words = html.unescape(re.sub(r"<[^>]*>", "", judged[1])).split(maxsplit=1)
            found[claim.id] = words[1].strip()
    return found


@pytest.fixture(scope="module", autouse=True)
def unrendered() -> Iterator[None]:
    """Figures are drawn, but not rendered: that takes most of the time, and is tested elsewhere."""
    picture = io.BytesIO()
    Image.new("L", (4, 4)).save(picture, "png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seelike.analysis.figures.png", lambda _: picture.getvalue())
        patch.setattr("seelike.analysis.figures.svg", lambda _: b"<svg/>")
        yield


def things(store: str) -> dict[str, list[str]]:
    opened = open_store(store)
    return {kind: opened.names(kind) for kind in ("recordings", "signatures", "anatomy")}


def test_every_claim_has_a_verdict_and_what_is_lacking_a_remedy(
    folder: Path,
    finished: ReproductionResult,  # noqa: ARG001
) -> None:
    said = verdicts(folder / "report")
    assert said.keys() == {claim.id for claim in CLAIMS}
    shown = text(folder / "report")
    for claim in CLAIMS:
        assert claim.sentence in shown
    assert set(said.values()) <= set(VERDICTS)
    assert said["E14-blocks"] == said["E2-mixer"] == "can't tell"
    assert "lacks an MLP-Mixer" in shown and "{zoo: mixer}" in shown
    told = {"E1-ends", "E1-grid", "E2-last-third", "E3-local", "E5-centre", "E6-resnet"}
    assert {said[id] for id in told} & {"holds", "does not hold"}
    # The second seed is judged too, in the same row.
    assert "ViT again and ResNet" in shown
    assert re.search(r"2 agree|seeds disagree", shown)


def test_every_experiment_says_how_and_every_picture_what_it_shows(
    folder: Path,
    finished: ReproductionResult,  # noqa: ARG001
) -> None:
    shown = (folder / "report" / "index.html").read_text()
    sections = re.findall(r"<h2[^>]*>E\d+: .*?</section>", shown, re.DOTALL)
    with_figures = [one for one in sections if "<figure" in one]
    assert len(with_figures) >= 6
    assert all('<details class="method">' in one for one in with_figures)
    alts = [html.unescape(alt) for alt in re.findall(r'<img[^>]*? alt="([^"]*)"', shown)]
    assert len(alts) > 20
    assert [alt for alt in alts if not re.search(r"\d+(\.\d+| ?%)", alt)] == []


def test_what_a_single_flow_computed_is_not_computed_again(
    folder: Path, finished: ReproductionResult
) -> None:
    assert finished.comparison.recorded == 0
    before = things(finished.store)
    again = reproduce(study(folder))
    assert again.comparison.recorded == again.anatomy.computed == 0
    chosen = ["attention", "residuals"]
    looked = anatomy(study(folder, anatomy=chosen, report=str(folder / "alone")))
    assert looked.computed == 0
    assert things(finished.store) == before


def test_one_model_beside_one_that_fails_on_images_without_labels(folder: Path) -> None:
    for number in range(8):
        noise = np.random.default_rng(number).integers(0, 255, (28, 28), np.uint8)
        (folder / "images").mkdir(exist_ok=True)
        Image.fromarray(noise).save(folder / "images" / f"{number}.png")
    broken = {"name": "broken", "timm": "resnet18", "checkpoint": str(folder / "none.safetensors")}
    with pytest.raises(Incomplete, match=r"'broken': checkpoint .* is no file"):
        reproduce(
            study(
                folder,
                images={"source": f"folder:{folder / 'images'}"},
                models=[{"name": "alone", "zoo": "vit"}, broken],
                batch=4,
                receptive_field_images=4,
                report=str(folder / "one"),
            )
        )
    said = verdicts(folder / "one")
    assert said.keys() == {claim.id for claim in CLAIMS}
    assert {said[id] for id in said if id.startswith(("E2", "E10", "E12"))} == {"can't tell"}
    shown = text(folder / "one")
    assert "lacks a ResNet" in shown and "lacks images with labels" in shown
    assert "Model 'broken' of the study is missing" in shown


def test_a_store_of_another_format_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "seelike.json").write_text(json.dumps({"format": 0}))
    asked = tmp_path / "study.yaml"
    asked.write_text(json.dumps(study(tmp_path)))
    assert main(["reproduce", str(asked)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "has format 0" in line and "name another store" in line
    assert not (tmp_path / "report").exists()
