"""Figures of an anatomy show the numbers they were given, and refuse to draw nothing."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import (
    Curve,
    Field,
    Heads,
    Panel,
    Place,
    heads_by_block,
    panels,
    pictures,
    place_maps,
    png,
)
from seelike.analysis.figures.anatomy.fields import MOST


def curve(label: str = "a", *, trained: bool = True, scale: float = 1.0) -> Curve:
    value = scale * np.array([1.0, 3.0, 2.0])
    depth = np.array([0.1, 0.5, 0.9])
    if not trained:
        return Curve(label, depth, value, None, None, kind="untrained")
    return Curve(label, depth, value, value - 0.1, value + 0.1, kind="trained")


def test_panels_draw_every_curve_with_its_band_and_level() -> None:
    both = [curve(), curve(trained=False, scale=2), curve("b", scale=3)]
    figure = panels([Panel("one", "pixels", both, level=2.5)], along="depth", level="all alike")
    (axes,) = figure.axes
    level, *lines = axes.lines
    assert set(level.get_ydata()) == {2.5}
    for line, one in zip(lines, both, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([one.depth, one.value]))
    assert lines[0].get_color() == lines[1].get_color() != lines[2].get_color()
    assert len(axes.collections) == 2
    # The third model of a study has the same colour alone as beside the others.
    beside = panels([Panel("", "", [curve(c) for c in "abc"])], along="depth").axes[0].lines[2]
    alone = panels([Panel("", "", [curve("c")])], along="depth", order="abc").axes[0].lines[0]
    assert alone.get_color() == beside.get_color() != lines[0].get_color()
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("pixels", "depth")
    (key,) = figure.legends
    assert [text.get_text() for text in key.get_texts()] == ["a", "b", "untrained", "all alike"]
    assert axes.get_ylim()[0] == 0
    assert png(figure)


def test_an_axis_begins_at_zero_unless_that_squeezes_the_numbers() -> None:
    flat = Curve("a", np.array([0.0, 1.0]), np.array([14.0, 14.5]), None, None, kind="trained")
    (axes,) = panels([Panel("one", "pixels", [flat])], along="depth").axes
    assert axes.get_ylim()[0] > 13
    (axes,) = panels([Panel("one", "ratio", [curve()], log=True)], along="depth").axes
    assert axes.get_yscale() == "log"


def test_panels_of_one_unit_share_a_scale_and_others_do_not() -> None:
    small, large = curve(), curve("b", scale=5)
    units = ("pixels", "pixels", "share")
    one, other, apart = panels(
        [Panel("", unit, [each]) for unit, each in zip(units, (small, large, small), strict=True)],
        along="depth",
    ).axes
    assert one.get_ylim() == other.get_ylim() != apart.get_ylim()
    assert one.get_ylim()[1] >= large.value.max()


def test_heads_stand_over_their_block_between_the_ends_of_their_interval() -> None:
    value = np.array([3.0, 9.0, 5.0])
    heads = Heads(
        np.array([0, 0, 1]), value, value - 1, value + 1, np.full(3, 7.0), untrained=value + 4
    )
    figure = heads_by_block([("plain", heads), ("renormalised", heads)])
    axes = figure.axes[0]
    untrained, own = axes.lines
    np.testing.assert_array_equal(own.get_ydata(), value)
    np.testing.assert_array_equal(np.round(own.get_xdata()), heads.block)
    np.testing.assert_array_equal(untrained.get_ydata(), value + 4)
    uniform, intervals = axes.collections
    assert {float(end) for line in uniform.get_segments() for end in line[:, 1]} == {7.0}
    ends = [line[:, 1].tolist() for line in intervals.get_segments()]
    assert ends == [[v - 1, v + 1] for v in value]


def test_pictures_are_the_fields_with_their_patch() -> None:
    each = [
        Field(f"blocks.{i}", np.random.default_rng(i).random((6, 8)), (3.0, 4.0, 1.5, 2.0))
        for i in range(12)
    ]
    figure = pictures([("after", each), ("before", each[:3])])
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == MOST + 3
    assert (shown[0].get_title(), shown[MOST - 1].get_title()) == ("blocks.0", "blocks.11")
    for axes, field in ((shown[0], each[0]), (shown[-1], each[2])):
        np.testing.assert_array_equal(axes.images[0].get_array(), field.field)
        (patch,) = (p for p in axes.patches if isinstance(p, Rectangle))
        assert (patch.get_y(), patch.get_x(), patch.get_height(), patch.get_width()) == field.patch


def test_tokens_are_drawn_on_one_scale_with_their_own_patch() -> None:
    cka = np.array([[0.1, np.nan, 0.9], [-0.1, 0.2, 0.3]])
    rows = [("low", [Place("class token", cka, None), Place("a", cka / 2, (1, 2))])]
    figure = place_maps([*rows, ("high", rows[0][1][:1])])
    shown = [axes for axes in figure.axes if axes.get_visible() and axes.images]
    assert [axes.get_title() for axes in shown] == ["class token", "a", "class token"]
    assert {axes.images[0].get_clim() for axes in shown} == {(-0.1, 0.9)}
    assert not shown[0].patches
    assert shown[1].patches[0].get_xy() == (1.5, 0.5)
    np.testing.assert_array_equal(shown[1].images[0].get_array().filled(np.nan), cka / 2)


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(AnalysisError, match="no curves"):
        panels([Panel("one", "pixels", [])], along="depth")
    with pytest.raises(AnalysisError, match="no heads"):
        heads_by_block([])
    with pytest.raises(AnalysisError, match="no receptive fields"):
        pictures([("after", [])])
    with pytest.raises(AnalysisError, match="no heatmaps of tokens"):
        place_maps([("low", [Place("a", np.full((2, 2), np.nan), None)])])
    broken = Curve("a", np.array([0.0]), np.array([np.nan]), None, None, kind="trained")
    with pytest.raises(AnalysisError, match="not finite"):
        panels([Panel("one", "pixels", [broken])], along="depth")
