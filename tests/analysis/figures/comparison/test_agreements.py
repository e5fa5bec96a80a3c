"""Measure against measure: every distinct pair once, in its colour, and the numbers beside."""

import math

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy import stats

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import Differences, agreement, differences
from seelike.analysis.figures.drawing.style import OKABE_ITO

MODELS = ["vit", "mixer"]
WITHIN, ACROSS = OKABE_ITO[1].lower(), OKABE_ITO[0].lower()


def expected(comparison, measure, reference, *, ordered=False):
    """(reference, measure) of each pair of taps of ``MODELS``, by colour, one pair at a time."""
    owner = comparison["model_a"].values
    chosen = [i for i, model in enumerate(owner) if model in MODELS]
    found = {WITHIN: [], ACROSS: []}
    for i in chosen:
        for j in chosen:
            if i < j or (ordered and i != j):
                kind = WITHIN if owner[i] == owner[j] else ACROSS
                y, x = (comparison[name].values[i, j] for name in (measure, reference))
                found[kind].append((x, y))
    return {colour: sorted(points) for colour, points in found.items()}


def drawn(figure: Figure):
    (dots,) = (c for c in figure.axes[0].collections if len(c.get_offsets()) > 1)
    found: dict[str, list] = {}
    for place, colour in zip(dots.get_offsets(), dots.get_facecolors(), strict=True):
        found.setdefault(to_hex(colour[:3]), []).append(tuple(place))
    return {colour: sorted(points) for colour, points in found.items()}


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_each_pair_of_taps_is_one_dot_in_the_colour_of_its_kind(measured):
    figure = agreement(measured, "cka", "cka_exact", models=MODELS)
    assert drawn(figure) == expected(measured, "cka", "cka_exact")
    (axes,) = figure.axes
    assert axes.get_ylabel() == "Minibatch CKA"
    assert axes.get_xlabel() == "exact CKA over all images"
    assert legend(figure) == ["two layers of one model", "layers of two models", "equal"]


def test_a_measure_that_differs_both_ways_has_both_ways(measured):
    figure = agreement(measured, "predictivity", "cka", models=MODELS)
    assert drawn(figure) == expected(measured, "predictivity", "cka", ordered=True)
    figure = agreement(measured, "cka", "predictivity", models=MODELS)
    assert drawn(figure) == expected(measured, "cka", "predictivity", ordered=True)


def test_lines_are_the_measures_own_intervals(measured):
    figure = agreement(measured, "cka", "cka_exact", models=MODELS)
    intervals, _ = figure.axes[0].collections
    ends = {(x, low, high) for (x, low), (_, high) in intervals.get_segments()}
    places = [
        (i, j)
        for i, j in zip(*np.triu_indices(len(measured["tap_a"]), 1), strict=True)
        if {measured["model_a"].values[i], measured["model_a"].values[j]} <= set(MODELS)
    ]
    names = ("cka_exact", "cka_low", "cka_high")
    assert ends == {tuple(measured[name].values[i, j] for name in names) for i, j in places}
    # The reference's intervals are not drawn.
    assert len(agreement(measured, "cka_exact", "cka", models=MODELS).axes[0].collections) == 1


def test_the_diagonal_crosses_two_equal_axes_that_hold_all(measured):
    (axes,) = agreement(measured, "predictivity", "cka", models=MODELS).axes
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert axes.get_xlim() == axes.get_ylim()
    low, high = axes.get_xlim()
    points = expected(measured, "predictivity", "cka", ordered=True)
    assert low < min(y for kind in points.values() for _, y in kind) < 0 < 1 < high
    assert axes.bbox.width == pytest.approx(axes.bbox.height)


@pytest.mark.parametrize("measure", ["cka", "predictivity"])
def test_differences_are_those_of_the_dots(measured, measure):
    found = differences(measured, measure, "cka_exact", models=MODELS)
    points = expected(measured, measure, "cka_exact", ordered=measure == "predictivity")
    x, y = zip(*(point for kind in points.values() for point in kind), strict=True)
    apart = [abs(b - a) for a, b in zip(x, y, strict=True)]
    assert found.pairs == len(apart)
    assert found.mean == pytest.approx(math.fsum(apart) / len(apart))
    assert found.largest == max(apart)
    assert found.correlation == pytest.approx(stats.pearsonr(x, y).statistic)
    (text,) = agreement(measured, measure, "cka_exact", models=MODELS).axes[0].texts
    assert text.get_text().splitlines() == [
        f"{found.pairs} pairs of layers",
        f"mean absolute difference {found.mean:.2g}",
        f"largest {found.largest:.2g}",
        f"Pearson r {found.correlation:.4f}",
    ]


def test_a_measure_agrees_with_itself(measured):
    found = differences(measured, "cka", "cka", models=["vit", "vit"])
    assert found == Differences(0.0, 0.0, pytest.approx(1.0), 9 * 8 // 2)
    assert legend(agreement(measured, "cka", "cka", models=["vit"])) == [
        "two layers of one model",
        "equal",
    ]


def test_without_spread_there_is_no_correlation(measured):
    flat = measured.assign(rsa=0 * measured["cka"] + 0.5)
    assert differences(flat, "cka", "rsa", models=MODELS).correlation is None
    (text,) = agreement(flat, "cka", "rsa", models=MODELS).axes[0].texts
    assert text.get_text().endswith("Pearson r undefined")


@pytest.mark.parametrize("measure", ["cka_exact", "predictivity"])
def test_the_words_stand_on_the_side_with_fewer_dots(measured, measure):
    below = measured.assign({measure: measured[measure] - 0.3})
    (text,) = agreement(below, measure, "cka", models=MODELS).axes[0].texts
    assert (text.get_ha(), text.get_va()) == ("left", "top")
    above = measured.assign({measure: measured[measure] + 0.3})
    (text,) = agreement(above, measure, "cka", models=MODELS).axes[0].texts
    assert (text.get_ha(), text.get_va()) == ("right", "bottom")


def test_thousands_of_pairs_are_all_there_as_a_picture(make_comparison):
    comparison = make_comparison(kind="paper")
    (axes,) = agreement(comparison, "cka", "cka", models=["vit"]).axes
    taps = int((comparison["model_a"] == "vit").sum())
    assert taps * (taps - 1) // 2 > 2000
    assert [len(c.get_offsets()) for c in axes.collections][1] == taps * (taps - 1) // 2
    assert all(c.get_rasterized() for c in axes.collections)
    few = comparison.isel(tap_a=slice(20), tap_b=slice(20))
    (axes,) = agreement(few, "cka", "cka", models=["vit"]).axes
    assert not any(c.get_rasterized() for c in axes.collections)


def test_what_cannot_be_paired_is_refused(measured):
    for draw in (agreement, differences):
        with pytest.raises(AnalysisError, match=r"measure 'cka_exat' .* nearest: 'cka_exact'"):
            draw(measured, "cka_exat", "cka", models=MODELS)
        with pytest.raises(AnalysisError, match="measure 'procrustes' is not in the comparison"):
            draw(measured, "cka", "procrustes", models=MODELS)
        with pytest.raises(AnalysisError, match="model 'bit' is not in the comparison"):
            draw(measured, "cka", "cka_exact", models=["vit", "bit"])
        with pytest.raises(AnalysisError, match="no model named"):
            draw(measured, "cka", "cka_exact", models=[])
        with pytest.raises(AnalysisError, match="vit has a single layer"):
            draw(measured.isel(tap_a=[0], tap_b=[0]), "cka", "cka_exact", models=["vit"])
    broken = measured.copy(deep=True)
    broken["cka_exact"][0, 1] = np.nan
    with pytest.raises(AnalysisError, match="exact CKA over all images of vit's patch_embed"):
        differences(broken, "cka", "cka_exact", models=MODELS)
