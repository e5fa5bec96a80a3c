"""Similarity along depth, under its ceiling: the same layers of two seeds of one network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import OKABE_ITO, folded, style

Kind = Literal["ceiling", "across", "trained", "untrained"]


@dataclass(frozen=True, eq=False)
class Curve:
    """A number along depth: ``value`` (n,) at ``depth`` (n,) ascending, and its interval.

    ``kind`` says what is compared, or of which network the number is. Curves with one ``label``,
    such as a network's ceiling and its untrained baseline, share a colour.
    """

    label: str
    depth: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64] | None
    high: npt.NDArray[np.float64] | None
    kind: Kind


@dataclass(frozen=True)
class _Stroke:
    """Style of the curves of one kind, and their name in the legend."""

    heading: str
    width: float
    dashes: str
    order: int


# In the legend's order; a higher order lies on top.
_STROKES: dict[Kind, _Stroke] = {
    "ceiling": _Stroke("ceiling: two seeds", 3.2, "-", 5),
    "across": _Stroke("across models", 1.3, "-", 4),
    "trained": _Stroke("trained", 1.3, "-", 4),
    "untrained": _Stroke("untrained", 1.3, "--", 3),
}
# Colours repeat after six labels; these tell their lines apart.
_MARKERS = ("", "o", "s", "^")
# Inches per line of the legend, and the letters that fit into three columns.
_LINE, _NARROW = 0.17, 20


def ceiling(curves: Sequence[Curve], *, title: str, unit: str = "CKA") -> Figure:
    """Draw similarity in ``unit`` against depth, with bands for intervals and a bold ceiling.

    ``title`` stands above. Raises ``AnalysisError`` without curves, and for a curve whose arrays
    are not of one length, not finite, or whose depths do not ascend.
    """
    if not curves:
        raise AnalysisError("no curves to draw; give at least one Curve")
    for curve in curves:
        check(curve)
    looks = _looks(curves)
    key, columns = _key(curves, looks)
    lines = sum(str(entry.get_label()).count("\n") + 1 for entry in key) / columns
    with style():
        figure = Figure(figsize=(6.2, 4 + _LINE * lines), layout="constrained")
        axes = figure.subplots()
        for curve in curves:
            _draw(axes, curve, looks[curve.label])
        lowest = min(float(np.min(c.value if c.low is None else c.low)) for c in curves)
        axes.set(xlim=(-0.02, 1.02), ylim=(min(0.0, lowest) - 0.02, 1.02))
        axes.grid(color="#e6e6e6", linewidth=0.5)
        axes.set_title(folded(title, inches=5), loc="left", weight="bold")
        axes.set_xlabel("depth (0 input, 1 output)")
        axes.set_ylabel(folded(unit, inches=3))
        legend = figure.legend(handles=key, loc="outside lower center", ncols=columns)
        headings = {stroke.heading for stroke in _STROKES.values()}
        for text in legend.get_texts():
            text.set_fontweight("bold" if text.get_text() in headings else "normal")
        return settle(figure)


def check(curve: Curve) -> None:
    """Raise ``AnalysisError`` where ``curve`` can't be drawn."""
    if (curve.low is None) != (curve.high is None):
        raise AnalysisError(f"'{curve.label}' has one end of an interval, expected both or none")
    arrays = {"depth": curve.depth, "value": curve.value, "low": curve.low, "high": curve.high}
    for name, array in arrays.items():
        if array is None:
            continue
        if array.ndim != 1 or len(array) != len(curve.depth) or not len(array):
            raise AnalysisError(
                f"{name} of '{curve.label}' is {array.shape}, expected one number per depth "
                f"{curve.depth.shape}"
            )
        if not np.isfinite(array).all():
            raise AnalysisError(f"{name} of '{curve.label}' is not finite, expected numbers")
    if (np.diff(curve.depth) < 0).any():
        raise AnalysisError(f"depth of '{curve.label}' does not ascend; sort its layers by depth")


def _looks(curves: Sequence[Curve]) -> dict[str, tuple[str, str]]:
    """Colour and marker of every label."""
    labels = dict.fromkeys(curve.label for curve in curves)
    return {
        label: (OKABE_ITO[i % len(OKABE_ITO)], _MARKERS[i // len(OKABE_ITO) % len(_MARKERS)])
        for i, label in enumerate(labels)
    }


def _key(curves: Sequence[Curve], looks: Mapping[str, tuple[str, str]]) -> tuple[list[Line2D], int]:
    """The legend's entries and its columns: one a kind where names are short, else one."""
    parts = []
    for kind, stroke in _STROKES.items():
        labels = dict.fromkeys(curve.label for curve in curves if curve.kind == kind)
        lines = [_line([], [], kind, label, looks[label]) for label in labels]
        parts.append([_blank(stroke.heading), *lines] if lines else [])
    parts = [part for part in parts if part]
    if max(len(label) for label in looks) > _NARROW:
        return [entry for part in parts for entry in part], 1
    # Matplotlib fills columns evenly: shorter ones are filled up.
    rows = max(map(len, parts))
    return [e for part in parts for e in (*part, *map(_blank, [""] * (rows - len(part))))], len(
        parts
    )


def _blank(label: str) -> Line2D:
    """An entry of the legend without a line."""
    return Line2D([], [], linestyle="", label=label or " ")


def _line(
    x: npt.ArrayLike, y: npt.ArrayLike, kind: Kind, label: str, look: tuple[str, str]
) -> Line2D:
    stroke, (colour, marker) = _STROKES[kind], look
    line = Line2D(np.asarray(x), np.asarray(y), color=colour, label=folded(label, inches=4.5))
    line.set(linewidth=stroke.width, linestyle=stroke.dashes, zorder=stroke.order)
    line.set(
        marker=marker, markersize=stroke.width + 2.5, markevery=max(1, len(np.asarray(x)) // 12)
    )
    return line


def _draw(axes: Axes, curve: Curve, look: tuple[str, str]) -> None:
    if curve.low is not None and curve.high is not None:
        band = axes.fill_between(curve.depth, curve.low, curve.high, color=look[0], alpha=0.18)
        band.set(linewidth=0, zorder=2)
    axes.add_line(_line(curve.depth, curve.value, curve.kind, curve.label, look))
