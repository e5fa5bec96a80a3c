"""Receptive fields as pictures: a row per side of a residual sum, a column per depth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import COLOUR_MAP, folded, style

# Pictures a row; more would be too small to see.
MOST = 8
# Shade of a hundredth of the largest value: the rim of a field stays visible beside its centre.
_POWER = 0.5


@dataclass(frozen=True, eq=False)
class Field:
    """A receptive field (height, width) and the patch (top, left, height, width) at its centre."""

    title: str
    field: npt.NDArray[np.float64]
    patch: tuple[float, float, float, float]


def pictures(rows: Sequence[tuple[str, Sequence[Field]]]) -> Figure:
    """A row of fields under each name, its columns spread evenly over what there is.

    Each picture has a scale of its own, from black (no gradient) to its brightest pixel, by the
    square root. The patch that the centre stands for is outlined. Raises ``AnalysisError``
    without fields.
    """
    if not rows or not all(fields for _, fields in rows):
        raise AnalysisError("no receptive fields to draw; give at least one in each row")
    shown = [(name, [fields[i] for i in _spread(len(fields))]) for name, fields in rows]
    columns = max(len(fields) for _, fields in shown)
    with style():
        size = (0.9 + 1.0 * columns, 0.1 + 1.22 * len(shown))
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(shown), columns, squeeze=False)
        for line, (name, fields) in zip(grid, shown, strict=True):
            for axes in line[len(fields) :]:
                axes.set_visible(False)
            for axes, field in zip(line, fields, strict=False):
                _draw(axes, field)
            line[0].set_ylabel(folded(name, inches=1.1), fontsize=8)
        return settle(figure)


def _spread(count: int) -> list[int]:
    """At most ``MOST`` of ``count`` places, the first and the last among them."""
    return [round(at) for at in np.linspace(0, count - 1, min(MOST, count))]


def _draw(axes: Axes, field: Field) -> None:
    height, width = field.field.shape
    axes.imshow(
        field.field,
        cmap=COLOUR_MAP,
        norm=PowerNorm(_POWER, vmin=0, vmax=float(field.field.max())),
        extent=(0, width, height, 0),
        interpolation="nearest",
    )
    top, left, down, across = field.patch
    outline = Rectangle((left, top), across, down, fill=False, edgecolor="#56B4E9", linewidth=0.7)
    axes.add_patch(outline)
    axes.set_title(folded(field.title, inches=0.95), fontsize=7.5)
    axes.set(xticks=[], yticks=[])
