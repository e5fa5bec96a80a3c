"""The numbers behind the figures come back from CSV as they were."""

import csv
import io

import numpy as np
import pytest

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import cells


def test_every_cell_comes_back_exactly(comparison):
    lines = list(csv.DictReader(io.StringIO(cells(comparison, ["vit", "resnet"]))))
    assert len(lines) == 18 * 18
    # Model and tap together name a cell; the models' taps lie first in the comparison.
    place = {
        (m, t): i
        for i, (m, t) in enumerate(
            zip(comparison["model_a"].values, comparison["tap_a"].values, strict=True)
        )
    }
    for name in ("cka", "cka_low", "cka_high"):
        found = np.empty((18, 18))
        for line in lines:
            i = place[line["model_a"], line["tap_a"]]
            j = place[line["model_b"], line["tap_b"]]
            found[i, j] = float(line[name])
        np.testing.assert_array_equal(found, comparison[name].values[:18, :18])
    assert {float(line["depth_a"]) for line in lines} == set(comparison["depth_a"].values[:18])


def test_a_tap_with_a_comma_or_quote_survives(comparison):
    taps = comparison["tap_a"].values.copy()
    taps[0] = 'blocks,"0"'
    odd = comparison.assign_coords(tap_a=("tap_a", taps))
    first = next(csv.DictReader(io.StringIO(cells(odd, ["vit"]))))
    assert first["tap_a"] == 'blocks,"0"'


def test_intervals_are_left_out_where_there_are_none(comparison):
    text = cells(comparison.drop_vars(["cka_low", "cka_high"]), ["vit"])
    assert text.splitlines()[0] == "model_a,tap_a,depth_a,model_b,tap_b,depth_b,cka"


def test_an_unknown_model_is_refused(comparison):
    with pytest.raises(AnalysisError, match="model 'bit' is not in the comparison"):
        cells(comparison, ["bit"])


def test_all_measures_come_with_all_that_is_known_of_them(measured):
    lines = list(csv.DictReader(io.StringIO(cells(measured, ["vit"]))))
    held = [
        *("cka", "cka_low", "cka_high", "cka_p", "cka_q", "cka_critical", "cka_calibrated"),
        *("cka_exact", "predictivity"),
    ]
    assert list(lines[0])[6:] == held
    for name in held:
        found = np.array([float(line[name]) for line in lines]).reshape(9, 9)
        np.testing.assert_array_equal(found, measured[name].values[:9, :9])


def test_any_measure_that_is_not_finite_is_refused(measured):
    broken = measured.copy(deep=True)
    broken["predictivity"][1, 2] = np.nan
    with pytest.raises(AnalysisError, match=r"linear predictivity.* of vit's blocks\.0 .* is nan"):
        cells(broken, ["vit"])


def test_columns_do_not_depend_on_the_order_of_variables(measured):
    text = cells(measured, ["vit"])
    # As Zarr may return them.
    for names in (sorted(measured.data_vars), sorted(measured.data_vars, reverse=True)):
        assert cells(measured[names], ["vit"]) == text
    bare = measured[["predictivity", "cka", "cka_exact"]].assign_attrs(measures={})
    assert cells(bare, ["vit"]).splitlines()[0].split(",")[6:] == [
        *("cka", "cka_exact", "predictivity"),
    ]
