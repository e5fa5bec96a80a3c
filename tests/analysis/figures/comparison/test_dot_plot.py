"""Check numbers as dots: one panel a number, intervals drawn, trained told from untrained."""

import numpy as np
import pytest

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import Dot, checks

COLOURS = {"vit": "#0072B2", "resnet": "#D55E00", "vit-untrained": "#0072B2"}
QUARTERS, SMALLEST = "CKA of the lowest with the highest quarter", "smallest CKA"
DOTS = (
    Dot(QUARTERS, "vit", "vit", 0.72, 0.70, 0.75),
    Dot(QUARTERS, "vit", "vit-untrained", 0.97, 0.96, 0.98, trained=False),
    Dot(QUARTERS, "resnet", "resnet", 0.3),
    Dot(SMALLEST, "vit", "vit", 0.1, 0.05, 0.15),
)


def test_each_dot_has_its_value_interval_row_and_colour():
    first, second = checks(DOTS, colours=COLOURS).axes
    assert [first.get_title(loc="left"), second.get_title(loc="left")] == [QUARTERS, SMALLEST]
    assert [t.get_text() for t in first.get_yticklabels()] == ["vit", "resnet"]
    values = [float(line.get_xdata()[0]) for line in first.lines]
    assert values == [0.72, 0.97, 0.3]
    ends = [segment[:, 0].tolist() for c in first.collections for segment in c.get_segments()]
    assert ends == [[0.70, 0.75], [0.96, 0.98]]
    rows = [round(float(line.get_ydata()[0])) for line in first.lines]
    assert rows == [0, 0, -1]
    assert [line.get_color() for line in first.lines] == ["#0072B2", "#0072B2", "#D55E00"]


def test_untrained_dots_are_hollow_and_the_legend_says_so():
    figure = checks(DOTS, colours=COLOURS)
    faces = [line.get_markerfacecolor() for line in figure.axes[0].lines]
    assert faces == ["#0072B2", "white", "#D55E00"]
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["trained", "untrained"]
    assert not checks(DOTS[2:], colours=COLOURS).legends


def test_all_panels_share_the_scale_whose_unit_is_named():
    first, second = checks(DOTS, colours=COLOURS, unit="depth").axes
    assert first.get_xlim() == second.get_xlim()
    assert second.get_xlabel() == "depth"


def test_nothing_to_draw_and_what_is_no_number_are_refused():
    with pytest.raises(AnalysisError, match="at least one Dot"):
        checks([], colours=COLOURS)
    with pytest.raises(AnalysisError, match="'smallest CKA' of vit is nan"):
        checks([Dot(SMALLEST, "vit", "vit", np.nan)], colours=COLOURS)
