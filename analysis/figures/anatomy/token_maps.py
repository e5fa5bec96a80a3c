"""A number of every token, drawn at its place in the image: a row per model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import COLOUR_MAP, folded, style

# Pictures a row; more would be too small to see.
MOST = 8


@dataclass(frozen=True, eq=False)
class TokenMap:
    """A number of every token (rows, columns) at the layer that ``title`` names."""

    title: str
    values: npt.NDArray[np.float64]


def token_maps(
    rows: Sequence[tuple[str, Sequence[TokenMap]]], *, floor: float, unit: str
) -> Figure:
    """Draw a row of maps under each name, spread evenly over its layers, on one scale in ``unit``.

    The scale is black at ``floor`` and below, brightest at the highest number. Raises
    ``AnalysisError`` without maps, and where a number is not finite.
    """
    if not rows or not all(maps for _, maps in rows):
        raise AnalysisError("no tokens to draw; give at least one TokenMap in each row")
    for name, maps in rows:
        for one in maps:
            if not np.isfinite(one.values).all():
                raise AnalysisError(f"'{one.title}' of '{name}' is not finite, expected numbers")
    shown = [(name, [maps[i] for i in _spread(len(maps))]) for name, maps in rows]
    columns = max(len(maps) for _, maps in shown)
    highest = max(float(one.values.max()) for _, maps in shown for one in maps)
    with style():
        size = (1.7 + 0.95 * columns, 0.3 + 1.2 * len(shown))
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(shown), columns, squeeze=False)
        for line, (name, maps) in zip(grid, shown, strict=True):
            for axes in line[len(maps) :]:
                axes.set_visible(False)
            for axes, one in zip(line, maps, strict=False):
                image = axes.imshow(
                    one.values,
                    cmap=COLOUR_MAP,
                    vmin=floor,
                    vmax=max(highest, np.nextafter(floor, 2.0)),
                    interpolation="nearest",
                )
                axes.set_title(folded(one.title, inches=0.95), fontsize=7.5)
                axes.set(xticks=[], yticks=[])
            line[0].set_ylabel(folded(name, inches=1.1), fontsize=8)
        figure.colorbar(image, ax=grid, label=unit, shrink=min(1.0, 2 / len(shown)), aspect=12)
        return settle(figure)


def _spread(count: int) -> list[int]:
    """At most ``MOST`` of ``count`` places, the first and the last among them."""
    return [round(at) for at in np.linspace(0, count - 1, min(MOST, count))]
