"""Attention distance of every head of every block, a dot per head."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures.anatomy.panels import bottom
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import GREY, OKABE_ITO, folded, style

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Heads:
    """Distances of a network's heads: ``value`` (n,) pixels, of the block number ``block`` (n,)."""

    block: npt.NDArray[np.int64]
    value: Floats
    low: Floats | None = None
    high: Floats | None = None
    uniform: Floats | None = None
    untrained: Floats | None = None


def heads_by_block(each: Sequence[tuple[str, Heads]]) -> Figure:
    """A panel for each title and its heads: dots with intervals, uniform attention as a line.

    ``untrained`` are the distances of the untrained baseline's heads, hollow dots. Raises
    ``AnalysisError`` without heads.
    """
    if not each or not all(len(heads.value) for _, heads in each):
        raise AnalysisError("no heads to draw; give at least one panel with heads")
    with style():
        figure = Figure(figsize=(1.6 + 2.6 * len(each), 3.4), layout="constrained")
        panels = figure.subplots(1, len(each), squeeze=False, sharey=True)[0]
        for axes, (title, heads) in zip(panels, each, strict=True):
            _draw(axes, heads)
            axes.set_title(folded(title, inches=2.4), loc="left", weight="bold")
        panels[0].set_ylabel("mean attention distance (pixels)")
        drawn = [heads for _, heads in each]
        panels[0].set_ylim(bottom=bottom(np.concatenate([heads.value for heads in drawn])))
        key = [_dot("a head", trained=True)]
        if any(heads.untrained is not None for heads in drawn):
            key.append(_dot("a head, untrained", trained=False))
        if any(heads.uniform is not None for heads in drawn):
            key.append(Line2D([], [], color=GREY, linestyle=":", label="attention to all alike"))
        figure.legend(handles=key, loc="outside lower center", ncols=len(key))
        return settle(figure)


def _draw(axes: Axes, heads: Heads) -> None:
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.5)
    if heads.uniform is not None:
        # Windows of another stage have another value: one step per block.
        first = [int(np.flatnonzero(heads.block == block)[0]) for block in np.unique(heads.block)]
        at = heads.block[first]
        axes.hlines(heads.uniform[first], at - 0.5, at + 0.5, color=GREY, linestyle=":")
    if heads.untrained is not None:
        axes.plot(
            heads.block + 0.22, heads.untrained, "o", markersize=3, color=GREY, markerfacecolor="w"
        )
    if heads.low is not None and heads.high is not None:
        axes.vlines(heads.block - 0.1, heads.low, heads.high, color=OKABE_ITO[0], linewidth=1)
    axes.plot(heads.block - 0.1, heads.value, "o", markersize=3.5, color=OKABE_ITO[0], alpha=0.85)
    axes.set_xlabel("block (0 the lowest)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _dot(label: str, *, trained: bool) -> Line2D:
    colour = OKABE_ITO[0] if trained else GREY
    return Line2D(
        [],
        [],
        marker="o",
        linestyle="",
        markersize=4,
        color=colour,
        markerfacecolor=colour if trained else "white",
        label=label,
    )
