"""For each tap of one model, the most similar tap of another: where it lies and how alike it is."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import pairs
from analysis.figures.heatmaps import Limits, scale
from analysis.figures.rendering import settle
from analysis.figures.style import GREY, colours, folded, style
from analysis.figures.tap_axis import index_of_depth, name_taps, show_depth


def best_match(
    comparison: xr.Dataset, model_a: str, model_b: str, *, limits: Limits | None = None
) -> Figure:
    """Above: ``model_b``'s most similar tap to each tap of ``model_a``. Below: the CKA of the two.

    Small dots are taps of ``model_b`` that intervals cannot tell from the most similar one:
    their ``cka_high`` reaches its ``cka_low``. Raises ``AnalysisError`` for a model that is not
    there.
    """
    cells = pairs.pair(comparison, model_a, model_b).transpose(..., "tap_a", "tap_b")
    best = cells["cka"].values.argmax(axis=1)
    colour = colours(comparison)[model_a]
    face = colour if pairs.trained(comparison, model_a) else "white"
    name_a, name_b = (pairs.label(comparison, model) for model in (model_a, model_b))
    with style():
        figure = Figure(figsize=(6.2, 5.6), layout="constrained")
        where, how_much = figure.subplots(2, sharex=True, height_ratios=(3, 1.3))
        _draw_places(where, cells, best, colour, face)
        name_taps(where.yaxis, cells["tap_b"])
        where.set_ylabel(folded(f"most similar tap of {name_b}", inches=3))
        show_depth(where, "right", cells["depth_b"], title=folded(f"depth in {name_b}", inches=3))
        show_depth(where, "top", cells["depth_a"], title=folded(f"depth in {name_a}", inches=4))
        _draw_values(how_much, cells, best, colour, face)
        how_much.set_ylim(*(limits or scale(comparison)))
        how_much.set_ylabel("CKA with\nthat tap")
        how_much.margins(x=0.02)
        name_taps(how_much.xaxis, cells["tap_a"])
        how_much.set_xlabel(folded(f"{name_a}: taps, input to output", inches=4))
        where.tick_params(labelbottom=False)
        handles, labels = where.get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=len(labels))
        return settle(figure)


def _draw_places(axes: Axes, cells: xr.Dataset, best: np.ndarray, colour: str, face: str) -> None:
    """The matches as dots on tap indices, over the line of equal depth."""
    indices = np.arange(len(best))
    depth_a, depth_b = cells["depth_a"].values, cells["depth_b"].values
    equal = index_of_depth(depth_a, depth_b)
    axes.plot(indices, equal, color=GREY, linewidth=0.8, linestyle="--", label="equal depth")
    if "cka_low" in cells:
        floor = np.take_along_axis(cells["cka_low"].values, best[:, None], axis=1)
        a, b = np.nonzero(cells["cka_high"].values >= floor)
        axes.plot(a, b, ".", markersize=2.5, color=colour, alpha=0.4, label="its interval overlaps")
    axes.plot(indices, best, "o", markersize=4.5, color=colour, mfc=face, label="most similar tap")
    margin = max(0.5, 0.025 * len(depth_b))
    axes.set_ylim(-margin, len(depth_b) - 1 + margin)
    axes.grid(color="#e6e6e6", linewidth=0.5)


def _draw_values(axes: Axes, cells: xr.Dataset, best: np.ndarray, colour: str, face: str) -> None:
    """The matches' CKA, with intervals where the comparison has them."""
    indices = np.arange(len(best))
    if "cka_low" in cells:
        low, high = (cells[name].values[indices, best] for name in ("cka_low", "cka_high"))
        axes.vlines(indices, low, high, color=colour, linewidth=1)
    value = cells["cka"].values[indices, best]
    axes.plot(indices, value, "o", markersize=3, color=colour, mfc=face, clip_on=False, zorder=3)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.5)
