"""xarray in, a Bokeh document's JSON out: heatmaps whose cells a reader points at."""

import hashlib
import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from bokeh.embed import json_item
from bokeh.models import (
    BasicTicker,
    ColorBar,
    ColumnDataSource,
    CustomJSHover,
    CustomJSTickFormatter,
    HoverTool,
    LinearColorMapper,
    Range1d,
    Span,
)
from bokeh.plotting import figure as new_plot
from matplotlib import colormaps
from matplotlib.colors import to_hex

from seelike.analysis.figures import reading
from seelike.analysis.figures.comparison.cells import UNDEFINED, Limits, scale
from seelike.analysis.figures.drawing.style import COLOUR_MAP

_TOOLS = "pan,wheel_zoom,box_zoom,reset"
_SIDE = 560
# Further numbers of a cell that the pointer shows, where the comparison has them.
_SAID = {"p": "p", "q": "q (false-discovery rate)", "calibrated": "calibrated"}
# Cells are centred on whole numbers.
_NAMED = "return names[Math.round(value)] ?? ''"
_TICK = "return names[tick] ?? ''"


def explorer(
    comparison: xr.Dataset,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    measure: str = "cka",
    limits: Limits | None = None,
) -> str:
    """Make a heatmap of ``rows``' taps (upward) with ``columns``' (rightward), as Bokeh JSON.

    The document is Bokeh's ``json_item``, drawn by ``Bokeh.embed.embed_item``. A cell under the
    pointer shows both layers, their models and depths, its value and what else the
    comparison has of it: interval, p, q, calibrated value. Values are float32, NaN and grey
    where the measure is not defined. Raises ``AnalysisError`` for a model or measure that is not
    there.
    """
    cells = reading.blocks(comparison, rows, columns)
    reading.require_measure(comparison, measure)
    reading.check_finite(cells, measure)
    item = json_item(_plot(comparison, cells, measure, limits))
    return json.dumps(renamed(item, of=[measure, *rows, "by", *columns]), allow_nan=False)


def renamed(item: Any, *, of: Sequence[str]) -> Any:
    """Give ``item`` ids made from its content, since Bokeh numbers them through a process.

    The same comparison gives the same page that way; two explorers of a page share no id.
    """
    own = hashlib.sha256(json.dumps(of).encode()).hexdigest()[:8]
    ids: dict[str, str] = {}

    def walk(part: Any) -> Any:
        if isinstance(part, list | tuple):
            return [walk(one) for one in part]
        if not isinstance(part, dict):
            return part
        return {
            key: ids.setdefault(value, f"{own}-{len(ids)}")
            if key in ("id", "root_id") and isinstance(value, str)
            else walk(value)
            for key, value in part.items()
        }

    return walk(item)


def _plot(comparison: xr.Dataset, cells: xr.Dataset, measure: str, limits: Limits | None) -> Any:
    """One heatmap with its colour bar."""
    height, width = cells[measure].shape
    low, high = limits or scale(comparison, measure=measure)
    plot = new_plot(
        width=_SIDE + 90,
        height=_SIDE,
        sizing_mode="scale_width",
        tools=_TOOLS,
        active_drag="pan",
        x_range=Range1d(-0.5, width - 0.5, bounds="auto"),
        y_range=Range1d(-0.5, height - 0.5, bounds="auto"),
        output_backend="canvas",
    )
    colours = [to_hex(shade) for shade in colormaps[COLOUR_MAP](np.linspace(0, 1, 256))]
    mapper = LinearColorMapper(palette=colours, low=low, high=high, nan_color=UNDEFINED)
    shown = _shown(cells, measure)
    source = ColumnDataSource({name: [values] for name, values in shown.items()})
    image = plot.image(
        "value", -0.5, -0.5, width, height, source=source, color_mapper=mapper, level="image"
    )
    _name_axes(plot, cells)
    _divide(plot, cells)
    title = reading.title(comparison, measure)
    plot.add_layout(ColorBar(color_mapper=mapper, title=title, width=14), "right")
    plot.add_tools(_hover(cells, title, shown, image))
    return plot


def _shown(cells: xr.Dataset, measure: str) -> dict[str, np.ndarray]:
    """Every part of ``measure`` that the pointer shows, (taps of a, taps of b) float32."""
    found = {"value": measure} | {
        part: f"{measure}_{part}"
        for part in ("low", "high", *_SAID)
        if f"{measure}_{part}" in cells
    }
    return {part: cells[name].values.astype(np.float32) for part, name in found.items()}


def _labels(cells: xr.Dataset, side: str) -> list[str]:
    """Model, layer and depth along one side, as the pointer shows them."""
    each = (cells[f"{key}_{side}"].values for key in ("model", "tap", "depth"))
    return [f"{model}: {tap} (depth {depth:.2f})" for model, tap, depth in zip(*each, strict=True)]


def _name_axes(plot: Any, cells: xr.Dataset) -> None:
    """Tap names at whole numbers, as many as fit; models as titles."""
    for axis, side in ((plot.xaxis, "b"), (plot.yaxis, "a")):
        names = [str(name) for name in cells[f"tap_{side}"].values]
        models = dict.fromkeys(str(name) for name in cells[f"model_{side}"].values)
        axis.formatter = CustomJSTickFormatter(args={"names": names}, code=_TICK)
        axis.ticker = BasicTicker(min_interval=1, desired_num_ticks=12)
        axis.axis_label = f"{', '.join(models)}: layers, input to output"
    plot.xaxis.major_label_orientation = "vertical"
    plot.axis.minor_tick_line_color = None
    plot.grid.visible = False
    plot.toolbar.logo = None


def _divide(plot: Any, cells: xr.Dataset) -> None:
    """A line wherever one model ends and the next begins."""
    for dimension, side in (("height", "b"), ("width", "a")):
        models = cells[f"model_{side}"].values
        for place, (one, other) in enumerate(itertools.pairwise(models)):
            if one != other:
                plot.add_layout(
                    Span(
                        location=place + 0.5,
                        dimension=dimension,
                        line_color="white",
                        line_width=1.5,
                    )
                )


def _hover(cells: xr.Dataset, title: str, shown: dict[str, np.ndarray], image: Any) -> HoverTool:
    """Rows of the tooltip of a cell."""
    lines = [
        ("upward", "$y{custom}"),
        ("rightward", "$x{custom}"),
        (title, "@value{0.0000}"),
    ]
    if "low" in shown:
        lines.append(("95 % interval", "@low{0.0000} to @high{0.0000}"))
    lines += [(words, f"@{part}{{0.0000}}") for part, words in _SAID.items() if part in shown]
    names = {axis: _labels(cells, side) for axis, side in (("x", "b"), ("y", "a"))}
    return HoverTool(
        renderers=[image],
        tooltips=lines,
        formatters={
            f"${axis}": CustomJSHover(args={"names": names[axis]}, code=_NAMED)
            for axis in ("x", "y")
        },
    )
