"""The best match of each tap, its CKA, and the taps that intervals cannot tell from it."""

import numpy as np
import pytest

from analysis.errors import AnalysisError
from analysis.figures import best_match, colours
from analysis.figures.style import OKABE_ITO


def lines(axes) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def cells(comparison, name, a, b):
    pick = np.ix_(comparison["model_a"].values == a, comparison["model_b"].values == b)
    return comparison[name].values[pick]


def test_dots_stand_at_the_largest_cell_of_each_row(comparison):
    figure = best_match(comparison, "resnet", "vit")
    where, how_much = figure.axes
    cka = cells(comparison, "cka", "resnet", "vit")
    taps = np.arange(len(cka))
    best = [max(range(len(row)), key=lambda j: row[j]) for row in cka]
    np.testing.assert_array_equal(lines(where)["most similar tap"], np.stack([taps, best], axis=1))
    (values,) = how_much.lines
    np.testing.assert_allclose(values.get_ydata(), cka.max(axis=1))
    (intervals,) = how_much.collections
    low = cells(comparison, "cka_low", "resnet", "vit")[taps, best]
    np.testing.assert_allclose([s[0, 1] for s in intervals.get_segments()], low)
    assert how_much.get_xlabel() == "resnet: taps, input to output"
    assert where.get_ylabel() == "most similar tap of vit"


def test_small_dots_are_the_taps_whose_intervals_overlap(comparison):
    where, _ = best_match(comparison, "resnet", "vit").axes
    cka, low, high = (
        cells(comparison, name, "resnet", "vit") for name in ("cka", "cka_low", "cka_high")
    )
    expected = {
        (i, j)
        for i in range(cka.shape[0])
        for j in range(cka.shape[1])
        if high[i, j] >= low[i, cka[i].argmax()]
    }
    assert {(int(i), int(j)) for i, j in lines(where)["its interval overlaps"]} == expected


def test_without_intervals_there_are_none_to_draw(comparison):
    where, how_much = best_match(
        comparison.drop_vars(["cka_low", "cka_high"]), "resnet", "vit"
    ).axes
    assert "its interval overlaps" not in lines(where)
    assert not how_much.collections


def test_a_model_matches_itself_at_equal_depth(comparison):
    where, _ = best_match(comparison, "vit", "vit").axes
    np.testing.assert_allclose(lines(where)["most similar tap"], lines(where)["equal depth"])


def test_colours_follow_the_study_and_twins_share_them(comparison):
    found = colours(comparison)
    assert [found[m] for m in ("vit", "resnet", "mixer")] == list(OKABE_ITO[:3])
    assert all(found[f"{m}-untrained"] == found[m] for m in ("vit", "resnet", "mixer"))
    where, _ = best_match(comparison, "resnet-untrained", "vit").axes
    dots = next(line for line in where.lines if line.get_label() == "most similar tap")
    assert dots.get_color() == found["resnet"]
    assert dots.get_markerfacecolor() == "white"


def test_an_unknown_model_is_refused(comparison):
    with pytest.raises(AnalysisError, match="model 'bit' is not in the comparison"):
        best_match(comparison, "vit", "bit")
