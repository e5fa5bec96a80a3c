"""From a figure back to models and images: what the store says, and mistakes in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from seelike.flows.cli.main import main
from seelike.storage.arrays import recordings, signatures, xarray_datasets
from seelike.storage.reports import write
from seelike.storage.reports.origins import of_comparison
from seelike.storage.reports.write import Figure, Page, Section
from seelike.storage.store import make_store

IDENTITY: dict[str, Any] = {
    "images": "f0" * 32,
    "model": {"architecture": "zoo/vit", "arguments": {"depth": 8}, "weights": "4e" * 32},
    "preprocessing": {"input_size": [1, 28, 28]},
    "taps": ["patch_embed", "blocks.0"],
    "reduction": "flatten",
    "batch": 8,
}
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(8)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study whose store holds a comparison and signatures, and whose report has one figure."""
    store = make_store(str(tmp_path / "store"))
    signed = signatures.create(
        store, IDENTITY, taps=IDENTITY["taps"], bounds=[(0, 8)], attributes={}
    )
    xarray_datasets.write(store, "c0" * 32, xr.Dataset(attrs={"estimator": "minibatch CKA"}))
    chain = of_comparison(store, "c0" * 32, {"ViT": signed.name})
    figure = Figure("within-vit", PNG, b"<svg/>", "uniform", "CKA", origins=(chain,))
    page = Page("?", (), (Section("s", figures=(figure,)),))
    write.write(str(tmp_path / "report" / "anatomy"), page, store=store.url)
    path = tmp_path / "study.yaml"
    path.write_text(
        f"store: {store.url}\nreport: {tmp_path}/report\nmodels: [{{name: ViT, zoo: vit}}]\n"
    )
    return path


def test_the_chain_names_every_digest_and_where_it_is(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(study), "--trace", "within-vit"]) == 0
    text = capsys.readouterr().out
    store = study.parent / "store"
    lines = [line.strip() for line in text.splitlines()]
    signed, recorded = signatures.name(IDENTITY), recordings.name(IDENTITY)
    expected = [
        f"figure within-vit of {study.parent}/report/anatomy",
        f"comparisons {'c0' * 32}",
        f"in {store}/comparisons/{'c0' * 32}",
        f"signatures of ViT {signed}",
        f"in {store}/signatures/{signed}",
        f"recordings of ViT {recorded}",
        f"in {store}/recordings/{recorded} (not there)",
        f"model of ViT {'4e' * 32}",
        "architecture: zoo/vit",
        "arguments: depth=8",
        f"image set {'f0' * 32}",
    ]
    places = [lines.index(line) for line in expected]
    assert places == sorted(places)


def test_an_unknown_figure_offers_the_nearest(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(study), "--trace", "within-vti"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'within-vti' is not in the reports" in line
    assert line.endswith("nearest: 'within-vit'")


def test_no_report_and_other_formats_are_told_in_one_line(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*further: str) -> str:
        assert main(["report", str(study), "--trace", "within-vit", *further]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert "no report in" in said("--set", f"report={study.parent}/nowhere")
    (study.parent / "store" / "seelike.json").write_text('{"format": 99}')
    assert "has format 99, this seelike writes format 1" in said()
    kept = study.parent / "report" / "anatomy" / "provenance.json"
    kept.write_text(json.dumps({"format": 99}))
    assert "has format 99, this seelike writes format 1; draw it again" in said()
