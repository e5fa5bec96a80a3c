"""Similarity of whole models: a heatmap in the order of a dendrogram, families in colour."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.cluster.hierarchy import dendrogram

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import COLOUR_MAP, plain, style
from seelike.analysis.figures.model_map.paths import family_colours

TITLES = {"aligned": "aligned similarity", "best_match": "best-match similarity"}
# So many models have their numbers written, and so many their names.
_WRITTEN, _NAMED = 14, 60
# Of SciPy's dendrograms: leaves stand at 5, 15, 25.
_LEAF = 10


def model_heatmap(mapped: xr.Dataset, aggregate: str) -> Figure:
    """Draw every model with every other by ``aggregate``, beside the tree of average linkage.

    The strip beside the tree has one colour per family. Raises ``AnalysisError`` for an aggregate
    that is not there, and where there is no tree, of fewer than 2 models.
    """
    known = [str(name) for name in mapped["aggregate"].values]
    if aggregate not in known:
        raise AnalysisError(f"aggregate '{aggregate}' is not there; there are {', '.join(known)}")
    if "merges" not in mapped:
        raise AnalysisError(f"{mapped.sizes['model']} models, a dendrogram takes 2 or more")
    own = mapped.sel(aggregate=aggregate)
    order = own["order"].values
    values = own["similarity"].values[np.ix_(order, order)]
    count = len(order)
    side = min(max(0.32 * count, 3.0), 7.0)
    with style():
        figure = Figure(figsize=(side + 3.4, side + 1.6), layout="constrained")
        tree, strip, heat = figure.subplots(1, 3, width_ratios=(0.24 * side, 0.16, side))
        _draw_tree(tree, own["merges"].values)
        colours = family_colours(mapped)
        families = [str(mapped["family"].values[place]) for place in order]
        strip.imshow(
            np.array([[to_rgb(colours[family])] for family in families]),
            aspect="auto",
            origin="lower",
            interpolation="nearest",
        )
        strip.set_axis_off()
        low = np.floor(10 * float(values.min())) / 10
        image = heat.imshow(
            values,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            cmap=COLOUR_MAP,
            vmin=low,
            vmax=1,
        )
        names = [plain(str(mapped["model"].values[place])) for place in order]
        _name(heat, names)
        if count <= _WRITTEN:
            _write(heat, values, low=low)
        figure.colorbar(image, ax=heat, label=TITLES[aggregate], shrink=0.7, aspect=30, pad=0.02)
        key = [Patch(color=colour, label=plain(family)) for family, colour in colours.items()]
        figure.legend(handles=key, loc="outside lower center", ncols=min(6, len(key)))
        return settle(figure)


def _draw_tree(axes: Axes, merges: np.ndarray) -> None:
    """Leaves at the right, one per row of the heatmap."""
    found = dendrogram(merges, no_plot=True)
    lines = [
        np.column_stack([heights, np.array(places) / _LEAF - 0.5])
        for heights, places in zip(found["dcoord"], found["icoord"], strict=True)
    ]
    axes.add_collection(LineCollection(lines, colors="#333333", linewidths=0.8))
    axes.set_ylim(-0.5, len(merges) + 0.5)
    axes.set_xlim(max(float(merges[:, 2].max()) * 1.05, 1e-3), 0)
    axes.set_yticks([])
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.set_xlabel("angle (radians)")


def _name(axes: Axes, names: list[str]) -> None:
    if len(names) > _NAMED:
        axes.set_xticks([])
        axes.set_yticks([])
        return
    axes.set_xticks(range(len(names)), labels=names, rotation=90)
    axes.set_yticks(range(len(names)), labels=names)
    axes.yaxis.tick_right()
    axes.tick_params(length=0, labelsize=7)


def _write(axes: Axes, values: np.ndarray, *, low: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        dark = (value - low) / max(1 - low, 1e-9) < 0.6
        text = f"{value:.2f}".replace("-", "\N{MINUS SIGN}").replace("0.", ".", 1)
        axes.text(
            column, row, text, ha="center", va="center", size=6, color="white" if dark else "black"
        )
