"""Error of the minibatch estimate against its reference, by images and batch size."""

from itertools import cycle

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import reading
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import GREY, folded, style

# Differences up to this are float32's rounding: the estimate from one batch of all images is the
# reference. Drawn to scale, they would leave the others no space.
ROUNDING = 1e-6
_PANELS = {
    "error_mean": "mean of all pairs of layers",
    "error_max": "largest of all pairs of layers",
}
# More hues than the heatmaps' colour map; its pale end is invisible on white paper.
_SHADES, _PALEST = "viridis", 0.9
_MARKERS = "osD^p"
# Entries in a line of the legend, and powers of two on an axis.
_MOST = 8


def sweep(dataset: xr.Dataset) -> Figure:
    """Absolute difference from the reference against images used, a line per batch size.

    ``dataset`` has dims images and batch_size (images per batch), variables error_mean and
    error_max (NaN where there are fewer images than one batch), and the attribute reference, a
    measure's name. Both axes are logarithmic; a difference up to ``ROUNDING`` is a triangle at
    the lower edge. A batch larger than all numbers of images has no line. Raises
    ``AnalysisError`` for what is missing and for a difference that is not finite and 0 or more.
    """
    _check(dataset)
    reference = reading.title(dataset, str(dataset.attrs["reference"]))
    with style():
        figure = Figure(figsize=(7, 3.9), layout="constrained")
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, (name, title) in zip(panels, _PANELS.items(), strict=True):
            axes.set(xscale="log", yscale="log", xlabel="images used")
            lines = [
                _draw_line(axes, dataset[name].sel(batch_size=size), colour, marker)
                for (size, colour), marker in zip(_shades(dataset).items(), cycle(_MARKERS))
            ]
            axes.set_title(title, loc="left")
            axes.grid(color="#e6e6e6", linewidth=0.5)
        _fit(panels[0], dataset)
        panels[0].set_ylabel(folded(f"absolute difference from {reference}", inches=2.8))
        if any(bool((dataset[name] <= ROUNDING).any()) for name in _PANELS):
            lines.append(_KEY)
        legend = figure.legend(
            handles=lines, loc="outside lower center", ncols=min(len(lines), _MOST)
        )
        legend.set_title("images per batch")
        return settle(figure)


def _check(dataset: xr.Dataset) -> None:
    for name in (*_PANELS, "images", "batch_size"):
        if name not in dataset:
            raise AnalysisError(f"'{name}' is not in the dataset, expected that of a sweep")
    if "reference" not in dataset.attrs:
        raise AnalysisError("the sweep names no 'reference', expected a measure among its attrs")
    enough = dataset["images"] >= dataset["batch_size"]
    if not enough.any():
        raise AnalysisError("every batch is larger than all numbers of images; sweep smaller ones")
    for name in _PANELS:
        wrong = enough & ~(np.isfinite(dataset[name]) & (dataset[name] >= 0))
        for images, size in np.argwhere(wrong.transpose("images", "batch_size").values)[:1]:
            found = float(dataset[name].isel(images=images, batch_size=size))
            raise AnalysisError(
                f"{name} of {dataset['images'].values[images]} images in batches of "
                f"{dataset['batch_size'].values[size]} is {found}, expected 0 or more"
            )


def _shades(dataset: xr.Dataset) -> dict[int, str]:
    """The batch sizes that have a line, from dark, few images, to pale."""
    most = int(dataset["images"].max())
    sizes = [int(size) for size in np.sort(dataset["batch_size"].values) if size <= most]
    shades = colormaps[_SHADES](np.linspace(0, _PALEST, len(sizes)))
    return {size: to_hex(shade) for size, shade in zip(sizes, shades, strict=True)}


def _draw_line(axes: Axes, errors: xr.DataArray, colour: str, marker: str) -> Line2D:
    """The differences that are more than rounding as a line, the others as triangles."""
    images, values = errors["images"].values, errors.values
    visible, lost = values > ROUNDING, values <= ROUNDING
    (line,) = axes.plot(images[visible], values[visible], color=colour, marker=marker)
    line.set(markersize=3.5, linewidth=1.3, label=str(int(errors["batch_size"])))
    if lost.any():
        edge = axes.get_xaxis_transform()
        axes.plot(images[lost], np.zeros(lost.sum()), "v", color=colour, transform=edge)
        axes.lines[-1].set(markersize=5, clip_on=False, zorder=3)
    return line


def _fit(axes: Axes, dataset: xr.Dataset) -> None:
    """Ends of the shared axes, and images as powers of two."""
    values = np.concatenate([dataset[name].values.ravel() for name in _PANELS])
    shown = values[values > ROUNDING]
    low, high = (shown.min(), shown.max()) if len(shown) else (ROUNDING, 1)
    axes.set_ylim(low / 1.5, high * 1.5)
    axes.xaxis.set_major_locator(LogLocator(base=2, numticks=_MOST))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))


_KEY = Line2D([], [], marker="v", linestyle="", color=GREY, label=f"at most {ROUNDING:g}, rounding")
