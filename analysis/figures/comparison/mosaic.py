"""All pairs of layers of several models in one figure: in panels, or of many models as a mosaic."""

import itertools
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from seelike.analysis.figures import reading
from seelike.analysis.figures.comparison.cells import Limits, draw_cells, scale, unit
from seelike.analysis.figures.comparison.heatmaps import grid
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import folded, style

# More models than these in panels of their own: too small to read, and slow to draw.
MOST_IN_PANELS = 6
# Width and height of a mosaic, in inches.
_SIDE = 8.0


def all_pairs(comparison: xr.Dataset, models: Sequence[str], *, measure: str = "cka") -> Figure:
    """Draw all pairs of layers of ``models``, each model with itself on the diagonal.

    Args:
        comparison: A comparison.
        models: Which of its models, in this order.
        measure: Which of its measures.

    Returns:
        A panel per pair of models; of more than 6 models one picture, ruled between models.

    Raises:
        AnalysisError: A model or measure that is not there.
    """
    if len(models) <= MOST_IN_PANELS:
        return grid(comparison, models, measure=measure)
    return mosaic(comparison, models, measure=measure)


def mosaic(
    comparison: xr.Dataset,
    models: Sequence[str],
    *,
    measure: str = "cka",
    limits: Limits | None = None,
) -> Figure:
    """Draw all pairs of layers of ``models`` in one image, ruled between models.

    Args:
        comparison: A comparison.
        models: Which of its models, in this order, from the left and from below.
        measure: Which of its measures.
        limits: Ends of the colour scale; those of ``scale(comparison)`` unless given.

    Raises:
        AnalysisError: A model or measure that is not there.
    """
    cells = reading.blocks(comparison, models, models)
    reading.require_measure(comparison, measure)
    reading.check_finite(cells, measure)
    with style():
        figure = Figure(figsize=(_SIDE + 1.6, _SIDE + 0.6), layout="compressed")
        axes = figure.subplots()
        image = draw_cells(axes, cells[measure], limits or scale(comparison, measure=measure))
        names = [reading.label(comparison, model) for model in models]
        for side, axis, rule in (("b", axes.xaxis, axes.axvline), ("a", axes.yaxis, axes.axhline)):
            edges = _edges(cells[f"model_{side}"].values)
            _name_models(axis, names, edges, rotation=90 if side == "b" else 0)
            for edge in edges[1:-1]:
                rule(edge, color="white", linewidth=0.8)
        label = folded(unit(comparison, measure), inches=0.8 * _SIDE)
        figure.colorbar(image, ax=axes, label=label, shrink=0.8, aspect=35, pad=0.02)
        return settle(figure)


def _edges(model: np.ndarray) -> np.ndarray:
    """Positions at which models begin and end along an axis of layers, (models + 1,) float64."""
    runs = [len(list(run)) for _, run in itertools.groupby(model)]
    return np.cumsum([0, *runs]) - 0.5


def _name_models(axis: Axis, names: Sequence[str], edges: np.ndarray, *, rotation: float) -> None:
    """Label ``axis`` with the models, each in the middle of its layers."""
    shown = [folded(name, inches=1.6) for name in names]
    axis.set_ticks((edges[:-1] + edges[1:]) / 2, labels=shown)
    axis.set_tick_params(length=0, labelrotation=rotation)
