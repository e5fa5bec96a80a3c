"""All pairs of layers come back from CSV as they were."""

import csv
import io

import numpy as np
import pytest
import xarray as xr

from seelike.analysis.errors import AnalysisError
from seelike.tasks.reports.comparison.cell_csv import cell_csv
from seelike.tasks.reports.elements.tables import csv_file

from .made_up import TAPS, chain, compared, facts


@pytest.fixture(scope="module")
def comparison() -> xr.Dataset:
    return compared({"vit": (facts(), chain(1)), "resnet": (facts(family="resnet"), chain(2))})


@pytest.fixture(scope="module")
def measured(comparison: xr.Dataset) -> xr.Dataset:
    """The same with p values and with further measures, one of them in single precision."""
    rng = np.random.default_rng(3)
    dims = ("tap_a", "tap_b")
    size = comparison["cka"].shape
    parts = ("cka_p", "cka_q", "cka_critical", "cka_calibrated", "cka_exact")
    more = {name: (dims, rng.random(size)) for name in parts}
    more["predictivity"] = (dims, rng.random(size).astype(np.float32))
    titles = {"cka": {}, "cka_exact": {}, "predictivity": {"title": "linear predictivity"}}
    return comparison.assign(more).assign_attrs(measures=titles)


def lines_of(dataset: xr.Dataset, models: list[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(cell_csv("cka", dataset, models).text)))


def test_every_cell_comes_back_exactly(comparison: xr.Dataset) -> None:
    lines = lines_of(comparison, ["vit", "resnet"])
    count = 2 * len(TAPS)
    assert len(lines) == count**2
    for name in ("cka", "cka_low", "cka_high"):
        found = np.array([float(line[name]) for line in lines])
        # A line per cell of every two models, row by row.
        half = len(TAPS)
        blocks = [
            comparison[name].values[a : a + half, b : b + half].ravel()
            for a in (0, half)
            for b in (0, half)
        ]
        np.testing.assert_array_equal(found, np.concatenate(blocks))
    assert {float(line["depth_a"]) for line in lines} == set(comparison["depth_a"].values)


def test_a_layer_with_a_comma_or_quote_survives(comparison: xr.Dataset) -> None:
    taps = comparison["tap_a"].values.copy()
    taps[0] = 'blocks,"0"'
    odd = comparison.assign_coords(tap_a=("tap_a", taps))
    assert lines_of(odd, ["vit"])[0]["tap_a"] == 'blocks,"0"'


def test_intervals_are_left_out_where_there_are_none(comparison: xr.Dataset) -> None:
    text = cell_csv("cka", comparison.drop_vars(["cka_low", "cka_high"]), ["vit"]).text
    assert text.splitlines()[0] == "model_a,tap_a,depth_a,model_b,tap_b,depth_b,cka"


def test_an_unknown_model_is_refused(comparison: xr.Dataset) -> None:
    with pytest.raises(AnalysisError, match="model 'bit' is not in the comparison"):
        cell_csv("cka", comparison, ["bit"])


def test_all_measures_come_with_their_parts(measured: xr.Dataset) -> None:
    lines = lines_of(measured, ["vit"])
    held = [
        *("cka", "cka_low", "cka_high", "cka_p", "cka_q", "cka_critical", "cka_calibrated"),
        *("cka_exact", "predictivity"),
    ]
    assert list(lines[0])[6:] == held
    for name in held:
        found = np.array([float(line[name]) for line in lines]).reshape(len(TAPS), len(TAPS))
        expected = measured[name].values[: len(TAPS), : len(TAPS)]
        np.testing.assert_array_equal(found, expected.astype(np.float64))


def test_any_measure_that_is_not_finite_is_refused(measured: xr.Dataset) -> None:
    broken = measured.copy(deep=True)
    broken["predictivity"][1, 2] = np.nan
    with pytest.raises(AnalysisError, match=r"linear predictivity.* of vit's blocks\.0 .* is nan"):
        cell_csv("cka", broken, ["vit"])


def test_columns_do_not_depend_on_the_order_of_variables(measured: xr.Dataset) -> None:
    text = cell_csv("cka", measured, ["vit"]).text
    # As Zarr may return them.
    for names in (sorted(measured.data_vars), sorted(measured.data_vars, reverse=True)):
        assert cell_csv("cka", measured[names], ["vit"]).text == text
    bare = measured[["predictivity", "cka", "cka_exact"]].assign_attrs(measures={})
    assert list(lines_of(bare, ["vit"])[0])[6:] == ["cka", "cka_exact", "predictivity"]


def test_numbers_have_the_digits_that_give_the_same_float() -> None:
    rng = np.random.default_rng(0)
    exponents = rng.integers(-300, 300, 2000)
    numbers = [*(rng.standard_normal(2000) * 10.0**exponents).tolist(), 0.0, -0.0, 1e16, 1e-5]
    rows = [("a,b", 3, True, number, None, float("nan")) for number in numbers]
    text = csv_file("x", "", ("name", "count", "flag", "number", "none", "nan"), rows).text
    expected = io.StringIO()
    writer = csv.writer(expected, lineterminator="\n")
    writer.writerow(("name", "count", "flag", "number", "none", "nan"))
    writer.writerows(rows)
    assert text == expected.getvalue()
