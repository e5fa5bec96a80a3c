"""The plots of the report: points and their fitted power law, on logarithmic axes."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.harness.item import Plot
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import OKABE_ITO, style

PANEL_INCHES = 2.6


def figure(panels: Sequence[Plot]) -> Figure:
    """The panels side by side, each with its own axes and legend."""
    with style():
        made = Figure(figsize=(PANEL_INCHES * max(len(panels), 1.5), 2.8), layout="constrained")
        axes = made.subplots(1, len(panels), squeeze=False)[0]
        for place, panel in zip(axes, panels, strict=True):
            _draw(place, panel)
        return settle(made)


def _draw(axes: Axes, panel: Plot) -> None:
    axes.set_title(panel.title, fontsize=9)
    if not any(line.points for line in panel.lines):
        axes.text(0.5, 0.5, "lost in noise", ha="center", va="center", transform=axes.transAxes)
        return
    for line, colour in zip(panel.lines, OKABE_ITO, strict=False):
        slope = "" if line.slope is None else f", exponent {line.slope:.2f}"
        x, y = [[point[i] for point in line.points] for i in (0, 1)]
        axes.plot(x, y, "o-", color=colour, markersize=3.5, linewidth=1, label=line.label + slope)
    axes.set(xscale="log", yscale="log", xlabel=panel.x, ylabel=panel.y)
    ticks = sorted({x for line in panel.lines for x, _ in line.points})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.legend(fontsize=7)
