"""Similarity of tokens to the patches of the input: a heatmap over the patches per token."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import COLOUR_MAP, GREY, folded, style


@dataclass(frozen=True, eq=False)
class Place:
    """CKA of one token with every patch (rows, columns), NaN where there is none.

    ``own`` is the row and column of the token's own patch, None for a class token.
    """

    title: str
    cka: npt.NDArray[np.floating]
    own: tuple[int, int] | None


def place_maps(rows: Sequence[tuple[str, Sequence[Place]]], *, unit: str = "CKA") -> Figure:
    """Draw a row of heatmaps under each name, on one colour scale; own patches are outlined.

    The scale begins at the smallest value, or at zero where none is below. Raises
    ``AnalysisError`` without heatmaps, and for one without a finite value.
    """
    each = [place for _, places in rows for place in places]
    if not each or not all(np.isfinite(place.cka).any() for place in each):
        raise AnalysisError("no heatmaps of tokens to draw; give at least one with finite values")
    least = min(0.0, *(float(np.nanmin(place.cka)) for place in each))
    most = max(float(np.nanmax(place.cka)) for place in each)
    columns = max(len(places) for _, places in rows)
    with style():
        size = (1.5 + 1.15 * columns, 0.3 + 1.4 * len(rows))
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for line, (name, places) in zip(grid, rows, strict=True):
            for axes in line[len(places) :]:
                axes.set_visible(False)
            for axes, place in zip(line, places, strict=False):
                image = _draw(axes, place, (least, most))
            line[0].set_ylabel(folded(name, inches=1.2), fontsize=8)
        figure.colorbar(image, ax=grid, label=unit, shrink=0.8, aspect=25, pad=0.02)
        return settle(figure)


def _draw(axes: Axes, place: Place, limits: tuple[float, float]) -> AxesImage:
    image = axes.imshow(
        place.cka,
        cmap=colormaps[COLOUR_MAP].with_extremes(bad=GREY),
        vmin=limits[0],
        vmax=limits[1],
        interpolation="nearest",
    )
    if place.own is not None:
        row, column = place.own
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="#56B4E9", linewidth=1.4))
    axes.set_title(folded(place.title, inches=1.1), fontsize=7.5)
    axes.set(xticks=[], yticks=[])
    return image
