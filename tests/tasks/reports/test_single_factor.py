"""Networks that differ in one thing only: what the report says of skips, data and fine-tuning."""

import csv
import io

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import brentq

from seelike.analysis.claims import CLAIMS
from seelike.analysis.claims import matrix_statistics as structure
from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.intervals.proportions import difference, share
from seelike.storage.reports.write import Case, Check, Numbers, Section
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.page import build_page
from seelike.tasks.reports.comparison.sections import SINGLE_FACTOR
from seelike.tasks.reports.comparison.single_factor.skip_free_models import sides

from .made_up import TAPS, chain, compared, facts, study, towards


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    return study()


@pytest.fixture(scope="module")
def sections(dataset: xr.Dataset) -> dict[str, Section]:
    found = (build(ComparisonView(dataset)) for build in SINGLE_FACTOR.values())
    return {one.title: one for one in found if one is not None}


def block(dataset: xr.Dataset, a: str, b: str) -> np.ndarray:
    rows, columns = (
        np.flatnonzero(dataset[f"model_{side}"].values == name)
        for side, name in (("a", a), ("b", b))
    )
    return dataset["cka"].values[np.ix_(rows, columns)]


def only(check: Check) -> tuple[Case, Numbers]:
    """The one case of a claim, and its one number."""
    (case,) = check.cases
    (numbers,) = case.numbers
    return case, numbers


def sides_of(numbers: Numbers) -> dict[str, float | None]:
    return {label: side.value for label, side in numbers.sides}


def test_each_section_is_there_with_figures_numbers_and_claims_of_its_experiment(
    sections: dict[str, Section],
) -> None:
    assert list(sections) == [
        "Without the skip connections of one block",
        "Data scale",
        "Before and after fine-tuning",
    ]
    for section, experiment in zip(sections.values(), ("E7", "E11", "E13"), strict=True):
        assert section.figures and section.tables and section.paragraphs
        assert {check.experiment for check in section.checks} == {experiment}
        assert {check.id for check in section.checks} <= {claim.id for claim in CLAIMS}


def test_across_a_block_without_skips_layers_are_less_alike(
    dataset: xr.Dataset, sections: dict[str, Section]
) -> None:
    collapse, drop = sections["Without the skip connections of one block"].checks
    # patch_embed and blocks 0 to 3 are below block 4, its output and all after it above.
    across = {
        name: block(dataset, name, name)[:5, 5:].mean()
        for own in ("full", "broken")
        for name in (own, f"{own} untrained")
    }
    case, number = only(collapse)
    assert case.networks == "full and broken"
    expected = {f"of {name}": pytest.approx(across[name]) for name in ("full", "broken")}
    assert sides_of(number) == expected
    apart = across["full"] - across["broken"]
    before = across["full untrained"] - across["broken untrained"]
    assert number.trained.value == pytest.approx(apart)
    assert number.untrained.value == pytest.approx(before)
    assert number.learned.value == pytest.approx(apart - before)
    assert number.trained.low < apart < number.trained.high
    # Nor do untrained networks keep it across a block without skips.
    assert apart > 0.3 and collapse.verdict == "holds before training too"
    case, number = only(drop)
    assert sides_of(number) == {"of full": 0.9, "of broken": 0.85}
    assert (number.trained.low, number.trained.high) == pytest.approx((0.021, 0.079), abs=5e-4)
    assert (drop.verdict, number.untrained) == ("holds", None)
    text = " ".join(sections["Without the skip connections of one block"].paragraphs)
    assert "full 1 89.00 %" in text


def test_with_less_data_higher_layers_differ_more(
    dataset: xr.Dataset, sections: dict[str, Section]
) -> None:
    section = sections["Data scale"]
    # Of the ViT alone: the claim is about it. The least data first, with the full one that
    # shares no initial weights.
    tenth, third = section.checks
    assert [only(one)[0].networks for one in (tenth, third)] == [
        "tenth and full 1",
        "third and full 1",
    ]
    same = np.diag(block(dataset, "tenth", "full 1"))
    without = np.diag(block(dataset, "tenth untrained", "full 1"))
    _, number = only(tenth)
    assert sides_of(number) == {
        "lower half": pytest.approx(same[:4].mean()),
        "upper half": pytest.approx(same[5:].mean()),
    }
    before = without[:4].mean() - without[5:].mean()
    assert number.untrained.value == pytest.approx(before)
    assert number.learned.value == pytest.approx(same[:4].mean() - same[5:].mean() - before)
    assert tenth.verdict == third.verdict == "holds"
    assert [figure.name for figure in section.figures] == ["data-scale-full", "data-scale-resnet"]
    rows = [(row[0], row[2]) for table in section.tables for row in table.rows]
    fractions = ("tenth", "third", "tenth untrained")
    assert rows == [
        *((model, full) for full in ("full", "full 1") for model in fractions),
        ("full", "full 1"),
        ("resnet tenth", "resnet"),
        ("resnet tenth untrained", "resnet"),
    ]


def test_fine_tuning_keeps_first_layers(dataset: xr.Dataset, sections: dict[str, Section]) -> None:
    (kept,) = sections["Before and after fine-tuning"].checks
    same = np.diag(block(dataset, "tuned", "full"))
    without = np.diag(block(dataset, "full untrained", "full"))
    case, number = only(kept)
    assert case.networks == "tuned and full"
    assert sides_of(number) == {
        "first quarter": pytest.approx(same[:3].mean()),
        "last quarter": pytest.approx(same[-3:].mean()),
    }
    assert number.untrained.value == pytest.approx(without[:3].mean() - without[-3:].mean())
    assert kept.verdict == "holds"


def test_csv_files_have_the_numbers_of_the_comparison(
    dataset: xr.Dataset, sections: dict[str, Section]
) -> None:
    kept = {csv.name: csv.text for one in sections.values() for csv in one.data}
    assert list(kept) == ["skip-free", "data-scale", "fine-tuning"]
    lines = list(csv.DictReader(io.StringIO(kept["data-scale"])))
    mine = [line for line in lines if (line["model"], line["with"]) == ("tenth", "full")]
    assert [line["tap"] for line in mine] == list(TAPS)
    same = np.diag(block(dataset, "tenth", "full"))
    np.testing.assert_allclose([float(line["cka"]) for line in mine], same)
    assert all(float(x["cka_low"]) <= float(x["cka"]) <= float(x["cka_high"]) for x in mine)
    across = list(csv.DictReader(io.StringIO(kept["skip-free"])))
    assert [line["model"] for line in across] == [
        "broken",
        "full",
        "broken untrained",
        "full untrained",
    ]


def test_of_many_networks_pairs_are_shown_of_the_first_of_each_architecture(
    dataset: xr.Dataset,
) -> None:
    # This comparison was made up: no store knows the lineage of its figures.
    made = build_page(ComparisonView(dataset), name="0" * 64, origins=lambda _: ())
    assert made.title == "How alike are the layers of 8 networks?"
    note = made.notes[-1]
    assert "2 of 8 networks, one per architecture: full and resnet." in note
    names = [figure.name for section in made.sections for figure in section.figures]
    assert [name for name in names if name.startswith("across-")] == ["across-full-resnet"]
    assert {"skip-free", "data-scale-full", "fine-tuning-tuned", "ceiling-full-full-1"} <= {*names}
    checks = [check for section in made.sections for check in section.checks]
    assert f"{len(checks)} claims" in " ".join(made.lead)
    # All pairs are in the numbers.
    (cka,) = (one for one in made.data if one.name == "cka")
    assert "tenth,patch_embed" in cka.text


def test_other_networks_have_no_such_sections() -> None:
    full = chain(1)
    two = compared(
        {
            "a": (facts(), full),
            # Trained on part of other data, another depth's taps, a start that is not there.
            "b": (facts(fraction=0.1, data="others"), towards(full, seed=3, share=0.1)),
            "c": (facts(start="zoo:vit"), towards(full, seed=4, share=0.1)),
        }
    )
    assert [build(ComparisonView(two)) for build in SINGLE_FACTOR.values()] == [None] * 3


def test_a_block_without_skips_has_taps_below_it_and_above_it() -> None:
    taps = ["patch_embed", "blocks.0.attn", "blocks.0", "blocks.1.norm2:input", "blocks.1.mlp"]
    taps += ["blocks.1", "blocks.10", "norm"]
    assert sides(taps, block=0) == (1, 2)
    assert sides(taps, block=1) == (3, 5)
    assert sides([tap for tap in taps if tap != "blocks.1"], block=1) == (3, 5)
    assert sides(taps, block=7) is None
    assert sides(["blocks.0", "blocks.1"], block=0) is None


def test_numbers_beside_a_block_leave_out_the_diagonal_and_what_crosses() -> None:
    within = np.arange(25.0).reshape(5, 5)
    assert structure.across_block(within, below=2, above=3) == within[:2, 3:].mean()
    pairs = [(0, 1), (1, 0), (3, 4), (4, 3)]
    expected = np.mean([within[i, j] for i, j in pairs])
    assert structure.beside_block(within, below=2, above=3) == expected
    with pytest.raises(AnalysisError, match=r"1 layers below .* 1 above"):
        structure.beside_block(within[:2, :2], below=1, above=1)


def test_a_share_of_right_ones_has_the_interval_of_its_score_test() -> None:
    found = share(90, 100)
    ends = [
        brentq(lambda p: (0.9 - p) ** 2 - 1.959963984540054**2 * p * (1 - p) / 100, *between)
        for between in ((1e-6, 0.9), (0.9, 1 - 1e-9))
    ]
    assert (found.low, found.high) == pytest.approx(tuple(ends))
    assert share(0, 10).low == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(AnalysisError, match=r"11 .* of 10"):
        share(11, 10)


def test_a_difference_of_shares_is_newcombes() -> None:
    # Newcombe (1998), table II, method 10, example (a): 56/70 - 48/80.
    found = difference(share(56, 70), share(48, 80))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
