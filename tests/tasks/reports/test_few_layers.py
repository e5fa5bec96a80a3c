"""A model with a single layer is left out of the numbers that need more; the rest is drawn."""

import csv
import io

import numpy as np
import pytest
import xarray as xr

from seelike.storage.reports.write import Page
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.page import build_page

from .made_up import chain, compared, facts, towards

KEPT = {"ViT": ("blocks.1", "blocks.5"), "Mixer": ("blocks.2",)}


@pytest.fixture(scope="module")
def made() -> Page:
    """A ViT with two layers and a Mixer with one, each beside its untrained baseline."""
    vit, mixer = chain(1), chain(2)
    whole = compared(
        {
            "ViT": (facts(), vit),
            "Mixer": (facts(family="mixer"), mixer),
            "ViT untrained": (facts(trained=False), towards(vit, seed=3, share=0.3)),
            "Mixer untrained": (
                facts(family="mixer", trained=False),
                towards(mixer, seed=4, share=0.3),
            ),
        }
    )
    return build_page(ComparisonView(cut(whole)), name="0" * 64, origins=lambda _: ())


def cut(whole: xr.Dataset) -> xr.Dataset:
    names = zip(whole["model_a"].values, whole["tap_a"].values, strict=True)
    rows = [i for i, (model, tap) in enumerate(names) if tap in KEPT[model.split()[0]]]
    return whole.isel(tap_a=rows, tap_b=rows)


def test_the_report_names_the_model_and_has_the_numbers_of_the_other(made: Page) -> None:
    within, across, *_ = made.sections
    (text,) = within.paragraphs
    assert text.startswith("Mixer is left out") and "at least 2 layers of Mixer" in text
    (table,) = within.tables
    assert {row[0] for row in table.rows} == {"ViT"}
    assert [row[:2] for row in across.tables[0].rows] == [("ViT", "Mixer")]


def test_all_figures_are_drawn(made: Page) -> None:
    names = {figure.name for figure in made.figures}
    assert names >= {"all-pairs", "trained-and-untrained", "within-numbers"}
    assert names >= {"within-vit", "within-mixer", "across-vit-mixer", "match-mixer-vit"}


def test_the_claim_on_the_model_has_no_verdict_and_a_remedy(made: Page) -> None:
    (blocks,) = (check for check, _ in made.verdicts if check.id == "E14-blocks")
    assert blocks.verdict == "can't tell"
    assert "at least 8 layers" in blocks.cases[0].settle


def test_the_csv_file_has_all_pairs_of_layers(made: Page) -> None:
    (cka,) = (one for one in made.data if one.name == "cka")
    lines = list(csv.DictReader(io.StringIO(cka.text)))
    assert len(lines) == 3**2
    own = [float(line["cka"]) for line in lines if line["model_a"] == line["model_b"] == "Mixer"]
    np.testing.assert_allclose(own, [1.0])
