"""xarray in, a Bokeh document's JSON out: the map of layers for the pointer."""

import json
from collections.abc import Sequence
from typing import Any

import xarray as xr
from bokeh.embed import json_item
from bokeh.models import (
    CDSView,
    ColumnDataSource,
    CustomJS,
    GroupFilter,
    HoverTool,
    Legend,
    LegendItem,
    TapTool,
)
from bokeh.plotting import figure as new_plot

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures.comparison.explorers import renamed
from seelike.analysis.figures.model_map.paths import Way, axis_names, model_paths

_TOOLS = "pan,wheel_zoom,box_zoom,reset"
_HEIGHT, _WIDTH = 500, 650
# A legend with more entries would leave no space for the map; it then lists families.
_ENTRIES = 24
# Pixels of a line of the legend, and letters of which two stand in it on a telephone.
_LINE, _LETTERS = 13, 28
_PALE = 0.08
# Layers of chosen paths are chosen with them; without any, all are shown.
_CHOOSE = """
const chosen = new Set(paths.selected.indices.map((i) => paths.data.model[i]));
const rows = [];
layers.data.model.forEach((name, i) => { if (chosen.has(name)) rows.push(i); });
layers.selected.indices = rows;
"""


def map_explorer(mapped: xr.Dataset) -> str:
    """The map of ``mapped`` as JSON, drawn by ``Bokeh.embed.embed_item``.

    A layer under the pointer shows its model, name and depth. A click on a path shows its
    model alone, with shift several; a click on a name hides and shows it. Raises
    ``AnalysisError`` where ``mapped`` has no map.
    """
    if "place" not in mapped:
        raise AnalysisError("there is no map of the layers; see why it was left out")
    each = model_paths(mapped)
    item = json_item(_plot(each, axis_names(mapped)))
    return json.dumps(renamed(item, of=["map", *(way.model for way in each)]), allow_nan=False)


def _plot(each: Sequence[Way], names: tuple[str, str]) -> Any:
    by_model = len(each) <= _ENTRIES
    groups = list(dict.fromkeys(way.model if by_model else way.family for way in each))
    columns = 2 if max(map(len, groups)) <= _LETTERS else 1
    plot = new_plot(
        height=_HEIGHT + _LINE * -(-len(groups) // columns),
        width=_WIDTH,
        sizing_mode="stretch_width",
        toolbar_location="above",
        tools=_TOOLS,
        active_drag="pan",
        match_aspect=True,
        x_axis_label=names[0],
        y_axis_label=names[1],
        output_backend="canvas",
    )
    plot.toolbar.logo = None
    plot.grid.grid_line_color = "#e6e6e6"
    paths, layers = _paths(each), _layers(each)
    choose = CustomJS(args={"paths": paths, "layers": layers}, code=_CHOOSE)
    paths.selected.js_on_change("indices", choose)
    lines = {
        name: _draw_paths(plot, paths, layers, column="model" if by_model else "family", group=name)
        for name in groups
    }
    items = [LegendItem(label=name, renderers=list(both)) for name, both in lines.items()]
    legend = Legend(items=items, click_policy="hide", ncols=columns, label_text_font_size="10px")
    legend.update(spacing=0, padding=2, glyph_height=12, border_line_color=None)
    legend.location = "center"
    plot.add_layout(legend, "below")
    plot.add_tools(
        HoverTool(
            renderers=[dots for _, dots in lines.values()],
            tooltips=[("model", "@model"), ("layer", "@tap"), ("depth", "@depth{0.00}")],
        ),
        TapTool(renderers=[path for path, _ in lines.values()]),
    )
    return plot


def _paths(each: Sequence[Way]) -> ColumnDataSource:
    """Columns of the models, one row per model."""
    return ColumnDataSource(
        {
            "x": [way.x.tolist() for way in each],
            "y": [way.y.tolist() for way in each],
            "model": [way.model for way in each],
            "family": [way.family for way in each],
            "colour": [way.colour for way in each],
            "dash": ["solid" if way.trained else "dashed" for way in each],
        }
    )


def _layers(each: Sequence[Way]) -> ColumnDataSource:
    """Columns of the layers, one row per layer: inputs are squares, outputs large."""
    rows = [(way, place, len(way.x) - 1) for way in each for place in range(len(way.x))]
    return ColumnDataSource(
        {
            "x": [float(way.x[place]) for way, place, _ in rows],
            "y": [float(way.y[place]) for way, place, _ in rows],
            "depth": [float(way.depth[place]) for way, place, _ in rows],
            "model": [way.model for way, _, _ in rows],
            "family": [way.family for way, _, _ in rows],
            "tap": [way.tap[place] for way, place, _ in rows],
            "colour": [way.colour for way, _, _ in rows],
            "inside": [way.colour if way.trained else "white" for way, _, _ in rows],
            "size": [8 if place in (0, last) else 4 for _, place, last in rows],
            "shape": ["circle" if place else "square" for _, place, _ in rows],
        }
    )


def _draw_paths(
    plot: Any, paths: ColumnDataSource, layers: ColumnDataSource, *, column: str, group: str
) -> tuple[Any, Any]:
    """The paths of one entry of the legend and their layers: rows of ``group`` in ``column``."""
    own = CDSView(filter=GroupFilter(column_name=column, group=group))
    path = plot.multi_line(
        "x",
        "y",
        source=paths,
        view=own,
        color="colour",
        line_dash="dash",
        line_width=1.6,
        alpha=0.75,
        nonselection_alpha=_PALE,
    )
    dots = plot.scatter(
        "x",
        "y",
        source=layers,
        view=own,
        size="size",
        marker="shape",
        line_color="colour",
        fill_color="inside",
        nonselection_alpha=_PALE,
    )
    return path, dots
