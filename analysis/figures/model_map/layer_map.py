"""Draw all layers of all models in the plane: each model a path from input to output."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import GREY, MANY, plain, style
from seelike.analysis.figures.model_map.paths import Way, axis_names, model_paths

# So many models are named beside their paths.
NAMED = 40
# Of the map's height, from one name to the next.
_LINE = 1 / 34


def layer_map(mapped: xr.Dataset) -> Figure:
    """The map of ``mapped``: squares are inputs, discs outputs, thin dashed paths untrained.

    Names stand at the right, each with a line to its model's output, where there is space for
    them. Raises ``AnalysisError`` where ``mapped`` has no map.
    """
    if "place" not in mapped:
        raise AnalysisError("there is no map of the layers; see why it was left out")
    each = model_paths(mapped)
    with style():
        figure = Figure(figsize=(7.6, 6.2), layout="constrained")
        axes = figure.subplots()
        for way in each:
            _draw(axes, way, many=sum(len(one.x) for one in each) > MANY)
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.06)
        first, second = axis_names(mapped)
        axes.set_xlabel(first)
        axes.set_ylabel(second)
        axes.grid(color="#e6e6e6", linewidth=0.5)
        axes.tick_params(labelsize=7)
        # Equal units widen the axes; names are placed by the visible height.
        axes.apply_aspect()
        if len(each) <= NAMED:
            _name(axes, each)
        figure.legend(handles=_key(each), loc="outside lower center", ncols=4)
        return settle(figure)


def _draw(axes: Axes, way: Way, *, many: bool) -> None:
    axes.plot(
        way.x,
        way.y,
        color=way.colour,
        linewidth=1.3 if way.trained else 0.8,
        linestyle="-" if way.trained else (0, (3, 2)),
        marker=".",
        markersize=3,
        alpha=0.75,
        rasterized=many,
    )
    for place, shape, size in ((0, "s", 4.5), (-1, "o", 5.5)):
        axes.plot(
            way.x[place],
            way.y[place],
            shape,
            markersize=size,
            color=way.colour,
            markerfacecolor=way.colour if way.trained else "white",
            zorder=3,
        )


def _name(axes: Axes, each: Sequence[Way]) -> None:
    """Names in a column at the right, in the order of the outputs' heights, none over another."""
    low, high = axes.get_ylim()
    # In visible order from below; at equal height the first model is lower.
    order = sorted(each, key=lambda way: float(way.y[-1]))
    wanted = np.array([(float(way.y[-1]) - low) / (high - low) for way in order])
    for way, height in zip(order, spread(wanted, gap=_LINE), strict=True):
        axes.annotate(
            plain(way.model),
            xy=(float(way.x[-1]), float(way.y[-1])),
            xytext=(1.03, height),
            textcoords="axes fraction",
            va="center",
            size=7,
            color="#333333",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": way.colour,
                "linewidth": 0.4,
                "relpos": (0, 0.5),
                "shrinkB": 3,
            },
        )


def spread(wanted: np.ndarray, *, gap: float) -> np.ndarray:
    """Move ascending places ``wanted`` as little as possible to be ``gap`` apart at least.

    The least squares under that: the isotonic fit of ``wanted`` less the gaps, by pooling.
    """
    steps = gap * np.arange(len(wanted))
    pools: list[list[float]] = []
    for value in wanted - steps:
        pools.append([float(value), 1.0])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, m), (b, n) = pools[-2:]
            pools[-2:] = [[(a * m + b * n) / (m + n), m + n]]
    return np.asarray(np.concatenate([np.full(int(n), mean) for mean, n in pools]) + steps)


def _key(each: Sequence[Way]) -> list[Line2D]:
    colours = {way.group: way.colour for way in each}
    key = [
        Line2D([], [], color=colour, linewidth=1.6, label=plain(group))
        for group, colour in colours.items()
    ]
    for shape, label in (("s", "input"), ("o", "output")):
        key.append(Line2D([], [], color=GREY, marker=shape, linestyle="", label=label))
    if not all(way.trained for way in each):
        key.append(
            Line2D([], [], color=GREY, linewidth=0.8, linestyle=(0, (3, 2)), label="untrained")
        )
    return key
