"""Heatmaps of a measure of all pairs of taps: within a model, across two, all pairs of many.

Input at the bottom and at the left, as in Raghu et al. 2021, figures 1 and 2.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import reading
from seelike.analysis.figures.comparison.cells import Limits, draw_cells, scale, unit
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import folded, style
from seelike.analysis.figures.drawing.tap_axis import name_taps, show_depth

Panels = list[list[Axes]]

# Inches around every panel and title.
_PAD = 0.07
_LAYERS = "layers, input to output"
_DEPTH = "depth (0 input, 1 output)"
_NO_MARKS: Mapping[str, float] = MappingProxyType({})
# Seen on the dark and on the light end of the colour map.
_MARK = "#56B4E9"


def within(
    comparison: xr.Dataset, model: str, *, measure: str = "cka", limits: Limits | None = None
) -> Figure:
    """Draw one model's taps with each other (E1), a square heatmap.

    ``limits`` are the colour scale's ends, ``scale(comparison)`` of ``measure`` unless given.
    Raises ``AnalysisError`` for a model or measure that is not there.
    """
    return across(comparison, model, model, measure=measure, limits=limits)


def across(
    comparison: xr.Dataset,
    model_a: str,
    model_b: str,
    *,
    measure: str = "cka",
    limits: Limits | None = None,
) -> Figure:
    """Draw ``model_a``'s taps (upward) with ``model_b``'s (rightward), one heatmap (E2).

    A measure that is not the same both ways is ``model_a``'s (rows) to ``model_b``'s (columns).
    """
    cells = reading.pair(comparison, model_a, model_b, measure=measure)
    with style():
        figure = Figure(figsize=(6, 5.2), layout="compressed")
        axes = figure.subplots()
        image = draw_cells(axes, cells[measure], limits or scale(comparison, measure=measure))
        name_taps(axes.xaxis, cells["tap_b"])
        name_taps(axes.yaxis, cells["tap_a"])
        axes.set_xlabel(folded(f"{reading.label(comparison, model_b)}: {_LAYERS}", inches=3.6))
        axes.set_ylabel(folded(f"{reading.label(comparison, model_a)}: {_LAYERS}", inches=3.6))
        show_depth(axes, "top", cells["depth_b"], title=_DEPTH)
        show_depth(axes, "right", cells["depth_a"], title=_DEPTH)
        label = folded(unit(comparison, measure), inches=3.2)
        figure.colorbar(image, ax=axes, label=label, shrink=0.8, aspect=30, pad=0.03)
        return settle(figure)


def grid(
    comparison: xr.Dataset,
    models: Sequence[str],
    *,
    measure: str = "cka",
    limits: Limits | None = None,
) -> Figure:
    """Draw all pairs of ``models`` with one colour scale; each model is on its diagonal.

    Raises ``AnalysisError`` for a model or measure that is not there.
    """
    reading.require(comparison, *models)
    blocks = [[reading.pair(comparison, a, b, measure=measure) for b in models] for a in models]
    limits = limits or scale(comparison, measure=measure)
    count = len(models)
    with style():
        figure, panels, side = _panels(count, count)
        for row, column in np.ndindex(count, count):
            axes, cells = panels[row][column], blocks[row][column]
            image = draw_cells(axes, cells[measure], limits)
            lowest, leftmost = row == count - 1, column == 0
            axes.tick_params(bottom=lowest, labelbottom=lowest, left=leftmost, labelleft=leftmost)
            name_taps(axes.xaxis, cells["tap_b"])
            name_taps(axes.yaxis, cells["tap_a"])
            if row == 0:
                show_depth(axes, "top", cells["depth_b"], ticks=(0, 0.5, 1))
            if column == count - 1:
                show_depth(axes, "right", cells["depth_a"], ticks=(0, 0.5, 1))
        for place, model in enumerate(models):
            name = folded(reading.label(comparison, model), inches=side)
            panels[count - 1][place].set_xlabel(name, weight="bold")
            panels[place][0].set_ylabel(name, weight="bold")
        label = folded(unit(comparison, measure), inches=0.8 * side * count)
        return _entitled(figure, image, panels, label=label)


def against_untrained(
    comparison: xr.Dataset,
    models: Sequence[str],
    *,
    measure: str = "cka",
    limits: Limits | None = None,
) -> Figure:
    """Draw each model within itself, trained (above) and untrained (below), one colour scale.

    Raises ``AnalysisError`` for a model without an untrained baseline in the comparison, and for a
    measure that is not there.
    """
    reading.require(comparison, *models)
    for model in models:
        if reading.baseline(comparison, model) is None:
            raise AnalysisError(
                f"model '{model}' has no untrained baseline in the comparison; leave "
                "the model out or add one"
            )
    return beside(comparison, models, measure=measure, limits=limits)


def beside(
    comparison: xr.Dataset,
    models: Sequence[str],
    *,
    marks: Mapping[str, float] = _NO_MARKS,
    measure: str = "cka",
    limits: Limits | None = None,
) -> Figure:
    """Draw each model within itself, one beside the other, with one colour scale.

    Where all have untrained baselines, these are below. ``marks`` are tap indices at which lines
    cross a model's heatmaps: 3.5 between its fourth and fifth tap. Raises ``AnalysisError`` for
    a model or measure that is not there.
    """
    reading.require(comparison, *models)
    baselines = [reading.baseline(comparison, model) for model in models]
    rows = {"trained": list(models)}
    if None not in baselines:
        rows["untrained"] = [str(baseline) for baseline in baselines]
    limits = limits or scale(comparison, measure=measure)
    with style():
        figure, panels, side = _panels(len(rows), len(models))
        for row, (title, names) in enumerate(rows.items()):
            lowest = row == len(rows) - 1
            for column, (model, shown) in enumerate(zip(models, names, strict=True)):
                axes = panels[row][column]
                cells = reading.pair(comparison, shown, shown, measure=measure)
                image = draw_cells(axes, cells[measure], limits)
                axes.tick_params(bottom=lowest, labelbottom=lowest)
                name_taps(axes.xaxis, cells["tap_b"])
                name_taps(axes.yaxis, cells["tap_a"])
                if model in marks:
                    axes.axhline(marks[model], color=_MARK, linewidth=1, linestyle="--")
                    axes.axvline(marks[model], color=_MARK, linewidth=1, linestyle="--")
                if row == 0:
                    show_depth(axes, "top", cells["depth_b"], ticks=(0, 0.5, 1))
                if lowest:
                    axes.set_xlabel(folded(model, inches=side), weight="bold")
            if len(rows) > 1:
                panels[row][0].set_ylabel(title, weight="bold")
        label = folded(unit(comparison, measure), inches=0.8 * side * len(rows))
        return _entitled(figure, image, panels, label=label)


def _panels(rows: int, columns: int) -> tuple[Figure, Panels, float]:
    """A figure of square panels, the panels (rows, columns), and their side in inches, about."""
    side = min(max(7.2 / columns, 1.1), 2.6)
    layout = ConstrainedLayoutEngine(compress=True, w_pad=_PAD, h_pad=_PAD)
    figure = Figure(figsize=(columns * side + 2.4, rows * side + 1.8), layout=layout)
    panels: Panels = figure.subplots(rows, columns, squeeze=False).tolist()
    return figure, panels, side


def _entitled(figure: Figure, image: AxesImage, panels: Panels, *, label: str) -> Figure:
    """Add what all ``panels`` share: titles of their axes and one colour bar."""
    figure.supxlabel(_LAYERS, size=9)
    figure.supylabel(_LAYERS, size=9)
    figure.suptitle(_DEPTH, size=9)
    figure.align_labels()
    everywhere = [axes for row in panels for axes in row]
    figure.colorbar(image, ax=everywhere, label=label, shrink=0.8, aspect=35, pad=0.02)
    return settle(figure)
