"""Numbers along depth side by side, a panel per number: trained bold, untrained dashed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullFormatter

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures.comparison.curves import Curve, Kind, check
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import GREY, OKABE_ITO, folded, style

# Colours repeat after six labels; these tell their lines apart.
_MARKERS = ("o", "s", "^", "D")


@dataclass(frozen=True, eq=False)
class Panel:
    """A number in ``unit``: curves, and perhaps a ``level`` to read them against.

    Where numbers are ratios, ``log`` gives a half and the double the same distance from one.
    """

    title: str
    unit: str
    curves: Sequence[Curve]
    level: float | None = None
    log: bool = False


def panels(
    each: Sequence[Panel], *, along: str, level: str = "", order: Sequence[str] = ()
) -> Figure:
    """Draw panels beside each other, with one key; ``along`` names the axis of depth.

    Curves of one label share a colour; a ceiling is a broad grey line. Panels of one unit share a
    scale. ``level`` says what the panels' levels are. Colours are given in ``order``, to labels
    that are not in the figure too, so that a model or a kind of token has one colour in all
    figures. Raises ``AnalysisError`` without curves and for one that can't be drawn, as
    ``ceiling``.
    """
    curves = [curve for panel in each for curve in panel.curves]
    if not curves:
        raise AnalysisError("no curves to draw; give at least one Panel with a Curve")
    for curve in curves:
        check(curve)
    labels = dict.fromkeys(curve.label for curve in curves)
    looks = {
        label: (OKABE_ITO[i % len(OKABE_ITO)], _MARKERS[i // len(OKABE_ITO) % len(_MARKERS)])
        for i, label in enumerate(dict.fromkeys([*order, *labels]))
        if label in labels
    }
    key = _key(curves, looks, level=level)
    columns = min(4 if len(each) > 2 else 3, len(key))
    with style():
        height = 2.9 + 0.17 * -(-len(key) // columns)
        figure = Figure(figsize=(2.2 + 2.3 * len(each), height), layout="constrained")
        side_by_side = figure.subplots(1, len(each), squeeze=False)[0]
        for axes, panel in zip(side_by_side, each, strict=True):
            _draw(axes, panel, looks)
            axes.set_xlabel(along)
        _share_scales(side_by_side, each)
        figure.legend(handles=key, loc="outside lower center", ncols=columns)
        return settle(figure)


def _draw(axes: Axes, panel: Panel, looks: Mapping[str, tuple[str, str]]) -> None:
    axes.set_title(folded(panel.title, inches=2.4), loc="left", weight="bold")
    axes.set_ylabel(folded(panel.unit, inches=2.6))
    axes.grid(color="#e6e6e6", linewidth=0.5)
    if panel.level is not None:
        axes.axhline(panel.level, color=GREY, linewidth=1, linestyle=":")
    for curve in panel.curves:
        colour, marker = looks[curve.label]
        if curve.kind == "ceiling":
            colour = GREY
        if curve.low is not None and curve.high is not None:
            axes.fill_between(
                curve.depth, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0
            )
        line = _line(colour, marker, curve.kind)
        line.set_data(curve.depth, curve.value)
        axes.add_line(line)
    axes.autoscale_view()
    if all(float(x).is_integer() for curve in panel.curves for x in curve.depth):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    values = np.concatenate([curve.value for curve in panel.curves])
    if panel.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(_ratios(values))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=bottom(values))


def _share_scales(side_by_side: Sequence[Axes], each: Sequence[Panel]) -> None:
    """Panels of one unit are there to be compared: all from the lowest end to the highest."""
    for unit, log in dict.fromkeys((panel.unit, panel.log) for panel in each):
        own = [
            axes
            for axes, panel in zip(side_by_side, each, strict=True)
            if (panel.unit, panel.log) == (unit, log)
        ]
        ends = np.array([axes.get_ylim() for axes in own])
        for axes in own:
            axes.set_ylim(ends[:, 0].min(), ends[:, 1].max())


def _ratios(values: npt.NDArray[np.float64]) -> Locator:
    """Ticks of a ratio axis: powers of ten alone would leave most axes bare."""
    span = values.max() / values.min()
    if span < 3:
        return MaxNLocator(5)
    return LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if span < 8 else (1, 2, 5))


def bottom(values: npt.NDArray[np.float64]) -> float | None:
    """Lower end of an axis: zero, unless that would squeeze ``values`` into its upper end."""
    return 0.0 if 0 <= values.min() < values.max() / 2 else None


def _line(colour: str, marker: str, kind: Kind) -> Line2D:
    if kind == "ceiling":
        return Line2D([], [], color=GREY, linewidth=4, alpha=0.5, solid_capstyle="round", zorder=1)
    untrained = kind == "untrained"
    return Line2D(
        [],
        [],
        color=colour,
        linewidth=0.9 if untrained else 1.6,
        linestyle=(0, (3, 2)) if untrained else "-",
        marker=marker,
        markersize=2.5 if untrained else 3.5,
        markerfacecolor="white" if untrained else colour,
    )


def _key(
    curves: Sequence[Curve], looks: Mapping[str, tuple[str, str]], *, level: str
) -> list[Line2D]:
    key = []
    for label, (colour, marker) in looks.items():
        kinds = [curve.kind for curve in curves if curve.label == label]
        entry = _line(colour, marker, "trained" if "trained" in kinds else kinds[0])
        entry.set_label(folded(label, inches=2.2))
        key.append(entry)
    both = {c.label for c in curves if c.kind == "untrained"}
    if both & {c.label for c in curves if c.kind != "untrained"}:
        entry = _line(GREY, "o", "untrained")
        entry.set_label("untrained")
        key.append(entry)
    if level:
        key.append(Line2D([], [], color=GREY, linewidth=1, linestyle=":", label=level))
    return key
