"""Curves lie where their numbers are, the ceiling bold and on top, every label distinct."""

import dataclasses

import numpy as np
import pytest

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import Curve, ceiling

DEPTH = np.linspace(0, 1, 5)


def curve(label, kind, start, *, wide=0.05) -> Curve:
    value = start - 0.2 * DEPTH
    low, high = (None, None) if wide is None else (value - wide, value + wide)
    return Curve(label, DEPTH, value, low, high, kind)


CURVES = [
    curve("vit", "untrained", 0.3, wide=None),
    curve("vit", "ceiling", 0.95),
    curve("resnet", "ceiling", 0.9),
    curve("vit with resnet", "across", 0.7),
]


def legend(figure) -> list[str]:
    return [text.get_text().strip() for text in figure.legends[0].get_texts()]


def test_lines_and_bands_are_the_numbers():
    figure = ceiling(CURVES, title="Best matches", unit="RSA")
    (axes,) = figure.axes
    for line, given in zip(axes.lines, CURVES, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), given.depth)
        np.testing.assert_array_equal(line.get_ydata(), given.value)
    banded = [given for given in CURVES if given.low is not None]
    for band, given in zip(axes.collections, banded, strict=True):
        corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
        for end in (given.low, given.high):
            assert set(zip(given.depth, end, strict=True)) <= corners
    assert axes.get_title(loc="left") == "Best matches"
    assert axes.get_ylabel() == "RSA"
    assert axes.get_xlabel() == "depth (0 input, 1 output)"
    assert axes.get_ylim()[0] < 0 < 1 < axes.get_ylim()[1]


def test_the_ceiling_is_bold_and_on_top_of_all_lines_and_bands():
    (axes,) = ceiling(CURVES, title="").axes
    untrained, *ceilings, across = axes.lines
    for line in ceilings:
        assert line.get_linewidth() > 2 * max(untrained.get_linewidth(), across.get_linewidth())
        assert line.get_zorder() > max(
            other.get_zorder() for other in (untrained, across, *axes.collections)
        )
    assert (untrained.get_linestyle(), across.get_linestyle()) == ("--", "-")


def test_one_label_is_one_colour_and_the_legend_tells_the_kinds():
    figure = ceiling(CURVES, title="")
    untrained, vit, resnet, across = (line.get_color() for line in figure.axes[0].lines)
    assert untrained == vit
    assert len({vit, resnet, across}) == 3
    assert legend(figure) == [
        *("ceiling: two seeds", "vit", "resnet"),
        *("across models", "vit with resnet", ""),
        *("untrained", "vit", ""),
    ]
    weights = {text.get_text(): text.get_fontweight() for text in figure.legends[0].get_texts()}
    assert (weights["across models"], weights["vit"]) == ("bold", "normal")


def test_more_labels_than_colours_are_told_by_markers():
    curves = [curve(f"m{i}", "across", 0.5 + 0.03 * i) for i in range(14)]
    lines = ceiling(curves, title="").axes[0].lines
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 14


def test_long_names_stay_inside_the_figure():
    name = "vit_large_patch16_224.augreg_in21k with resnetv2_152x2_bit.goog_in21k, best matches"
    figure = ceiling([curve(name, "across", 0.5), *CURVES], title=name, unit=name)
    figure.draw_without_rendering()
    width, height = figure.bbox.size
    (axes,) = figure.axes
    boxes = [figure.legends[0].get_window_extent(), axes.get_tightbbox()]
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
    assert not boxes[0].overlaps(boxes[1])
    assert legend(figure)[:3] == ["ceiling: two seeds", "vit", "resnet"]


def test_negative_values_stay_visible():
    (axes,) = ceiling([curve("vit", "across", 0.1, wide=0.08)], title="").axes
    assert axes.get_ylim()[0] < -0.18


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"depth": DEPTH[::-1]}, "depth of 'vit' does not ascend"),
        ({"value": np.ones(4)}, r"value of 'vit' is \(4,\), expected one number per depth \(5,\)"),
        ({"low": np.full(5, np.nan)}, "low of 'vit' is not finite"),
        ({"high": None}, "'vit' has one end of an interval"),
        ({"depth": np.ones((5, 1))}, "depth of 'vit'"),
    ],
)
def test_a_curve_that_is_none_is_refused(change, said):
    with pytest.raises(AnalysisError, match=said):
        ceiling([dataclasses.replace(curve("vit", "ceiling", 0.9), **change)], title="")


def test_no_curves_are_refused():
    with pytest.raises(AnalysisError, match="at least one Curve"):
        ceiling([], title="")
