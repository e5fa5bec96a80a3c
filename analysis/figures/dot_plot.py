"""The numbers that a study is judged by, as dots with intervals: trained against untrained."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import GREY, OKABE_ITO, plain, style


@dataclass(frozen=True)
class Dot:
    """A measured number: ``value`` and its interval, where there is one.

    ``number`` says what is measured (dots of one number stand together), ``row`` of which model
    or pair; a trained network and its untrained baseline share a row. ``model`` gives the colour.
    """

    number: str
    row: str
    model: str
    value: float
    low: float | None = None
    high: float | None = None
    trained: bool = True


def checks(dots: Sequence[Dot], *, colours: Mapping[str, str], unit: str = "CKA") -> Figure:
    """Draw a panel per number and a line per row, on one scale in ``unit``; hollow dots: untrained.

    ``colours`` come from ``colours(comparison)``. Raises ``AnalysisError`` without dots and for
    a value that is not finite.
    """
    if not dots:
        raise AnalysisError("no numbers to draw; give at least one Dot")
    for dot in dots:
        if not math.isfinite(dot.value):
            raise AnalysisError(
                f"'{dot.number}' of {dot.row} is {dot.value}, expected a finite number"
            )
    numbers = {dot.number: [d for d in dots if d.number == dot.number] for dot in dots}
    rows = {n: list(dict.fromkeys(d.row for d in found)) for n, found in numbers.items()}
    lines = [len(found) for found in rows.values()]
    with style():
        height = 0.9 + sum(0.28 * n + 0.4 for n in lines)
        figure = Figure(figsize=(6.2, height), layout="constrained")
        panels = figure.subplots(len(lines), sharex=True, squeeze=False, height_ratios=lines)
        for axes, number in zip(panels[:, 0], numbers, strict=True):
            _draw_number(axes, numbers[number], rows[number], colours)
            axes.set_title(plain(number), loc="left", weight="bold")
        panels[-1, 0].set_xlabel(unit)
        panels[-1, 0].margins(x=0.04)
        if not all(dot.trained for dot in dots):
            figure.legend(handles=_KEY, loc="outside lower center", ncols=2)
        return settle(figure)


def _draw_number(
    axes: Axes, dots: Sequence[Dot], rows: Sequence[str], colours: Mapping[str, str]
) -> None:
    """The first row above; a row's untrained dot a little below its trained one."""
    for dot in dots:
        place = -rows.index(dot.row) + (0.13 if dot.trained else -0.13)
        colour = colours.get(dot.model, OKABE_ITO[0])
        if dot.low is not None and dot.high is not None:
            axes.hlines(place, dot.low, dot.high, color=colour, linewidth=1.2)
        face = colour if dot.trained else "white"
        axes.plot(dot.value, place, "o", markersize=5, color=colour, markerfacecolor=face)
    axes.set_yticks([-i for i in range(len(rows))], labels=[plain(row) for row in rows])
    axes.set_ylim(0.5 - len(rows), 0.5)
    axes.tick_params(left=False, labelsize=8)
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.5)
    axes.spines[["top", "right", "left"]].set_visible(False)


_KEY = [
    Line2D([], [], marker="o", linestyle="", color=GREY, markersize=5, label="trained"),
    Line2D(
        [],
        [],
        marker="o",
        linestyle="",
        color=GREY,
        markerfacecolor="white",
        markersize=5,
        label="untrained",
    ),
]
