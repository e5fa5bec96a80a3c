"""The best match of each tap, its CKA, and the taps that intervals cannot tell from it."""

import numpy as np
import pytest

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import best_match, colours
from seelike.analysis.figures.drawing.style import GREY, OKABE_ITO


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
    np.testing.assert_array_equal(
        lines(where)["most similar layer"], np.stack([taps, best], axis=1)
    )
    (values,) = how_much.lines
    np.testing.assert_allclose(values.get_ydata(), cka.max(axis=1))
    (intervals,) = how_much.collections
    low = cells(comparison, "cka_low", "resnet", "vit")[taps, best]
    np.testing.assert_allclose([s[0, 1] for s in intervals.get_segments()], low)
    assert how_much.get_xlabel() == "resnet: layers, input to output"
    assert where.get_ylabel() == "most similar layer of vit"


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
    np.testing.assert_allclose(lines(where)["most similar layer"], lines(where)["equal depth"])


def test_colours_follow_the_study_and_twins_share_them(comparison):
    found = colours(comparison)
    assert [found[m] for m in ("vit", "resnet", "mixer")] == list(OKABE_ITO[:3])
    assert all(found[f"{m}-untrained"] == found[m] for m in ("vit", "resnet", "mixer"))
    where, _ = best_match(comparison, "resnet-untrained", "vit").axes
    dots = next(line for line in where.lines if line.get_label() == "most similar layer")
    assert dots.get_color() == found["resnet"]
    assert dots.get_markerfacecolor() == "white"


def test_an_unknown_model_is_refused(comparison):
    with pytest.raises(AnalysisError, match="model 'bit' is not in the comparison"):
        best_match(comparison, "vit", "bit")


CHANCE = "not above chance, q > 0.05"


def legend(figure) -> list[str]:
    (key,) = figure.legends
    return [text.get_text() for text in key.get_texts()]


def test_matches_by_chance_are_hollow_grey_squares_in_both_panels(measured):
    figure = best_match(measured, "resnet", "vit")
    where, how_much = figure.axes
    cka, low = (cells(measured, name, "resnet", "vit") for name in ("cka", "cka_low"))
    rows = measured["model_a"].values == "resnet"
    p = measured["cka_best_q"].sel(other_model="vit").values[rows]
    best = cka.argmax(axis=1)
    told = {True: "most similar layer", False: CHANCE}
    for good, label in told.items():
        chosen = np.flatnonzero((p <= 0.05) == good)
        # Both kinds occur, or this would say nothing.
        assert len(chosen)
        np.testing.assert_array_equal(lines(where)[label], np.stack([chosen, best[chosen]], axis=1))
    above, chance = how_much.lines
    assert sorted([*above.get_xdata(), *chance.get_xdata()]) == list(range(len(best)))
    np.testing.assert_array_equal(chance.get_xdata(), np.flatnonzero(p > 0.05))
    np.testing.assert_array_equal(chance.get_ydata(), cka.max(axis=1)[p > 0.05])
    for dots in (chance, next(line for line in where.lines if line.get_label() == CHANCE)):
        assert (dots.get_color(), dots.get_markerfacecolor()) == (GREY, "white")
        assert dots.get_marker() == "s"
    ends = [s[0, 1] for s in how_much.collections[1].get_segments()]
    np.testing.assert_array_equal(ends, low[np.arange(len(best)), best][p > 0.05])
    assert legend(figure) == [*told.values(), "its interval overlaps", "equal depth"]


def test_p_of_just_the_level_is_above_chance(measured):
    edge = measured.copy(deep=True)
    edge["cka_best_q"][:] = 0.05
    assert CHANCE not in legend(best_match(edge, "resnet", "vit"))
    edge["cka_best_q"][:] = 0.051
    assert legend(best_match(edge, "resnet", "vit"))[0] == CHANCE


def test_a_tap_with_itself_and_an_untested_measure_are_not_told_from_chance(measured):
    certain = measured.copy(deep=True)
    certain["cka_best_q"][:] = 1.0
    assert CHANCE in legend(best_match(certain, "vit", "resnet"))
    assert CHANCE not in legend(best_match(certain, "vit", "vit"))
    assert CHANCE not in legend(best_match(certain, "vit", "resnet", measure="predictivity"))


def test_a_test_without_a_p_value_is_refused(measured):
    broken = measured.copy(deep=True)
    broken["cka_best_q"][3] = np.nan
    with pytest.raises(AnalysisError, match=r"cka_best_q has no finite value .* 'resnet'"):
        best_match(broken, "vit", "resnet")
    with pytest.raises(AnalysisError, match=r"cka_best_q has no finite value .* 'resnet'"):
        best_match(measured.isel(other_model=[0]), "vit", "resnet")


def test_matches_are_by_the_measure_and_from_its_row(measured):
    figure = best_match(measured, "mixer", "vit", measure="predictivity")
    where, how_much = figure.axes
    values = cells(measured, "predictivity", "mixer", "vit")
    np.testing.assert_array_equal(
        lines(where)["most similar layer"][:, 1], [int(np.argmax(row)) for row in values]
    )
    np.testing.assert_array_equal(how_much.lines[0].get_ydata(), values.max(axis=1))
    assert not how_much.collections
    said = how_much.get_title(loc="left").replace("\n", " ")
    assert said == "linear predictivity, held-out R² of a ridge regression to that layer"
    _, how_much = best_match(measured, "mixer", "vit").axes
    assert how_much.get_title(loc="left") == "Minibatch CKA with that layer"
