"""Cells of a comparison as a picture in one panel, and the scale and unit of their colours."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from seelike.analysis.figures import reading
from seelike.analysis.figures.drawing.style import COLOUR_MAP

Limits = tuple[float, float]

# Cells of layers at which the measure is not defined.
UNDEFINED = "#d0d0d0"


def scale(*comparisons: xr.Dataset, measure: str = "cka") -> Limits:
    """The ends of the one colour scale of a report: min(0, smallest ``measure``) and 1.

    The debiased estimator gives small negative values: they stay visible. Raises
    ``AnalysisError`` for a measure that is not there.
    """
    for comparison in comparisons:
        reading.require_measure(comparison, measure)
    smallest = min(float(comparison[measure].min()) for comparison in comparisons)
    return min(0.0, smallest), 1.0


def unit(comparison: xr.Dataset, measure: str) -> str:
    """Label of the colour bar, with the direction of a measure that is not symmetric."""
    way = "" if reading.symmetric(comparison, measure) else " (row to column)"
    partly = reading.undefined(comparison, measure, "a").any()
    grey = "; grey: not defined" if partly else ""
    return reading.title(comparison, measure) + way + grey


def draw_cells(axes: Axes, values: xr.DataArray, limits: Limits) -> AxesImage:
    """Row i of the picture, counted from below, is tap i of model a."""
    axes.set_box_aspect(1)
    if values.isnull().any():
        axes.set_facecolor(UNDEFINED)
    return axes.imshow(
        values.transpose("tap_a", "tap_b").values,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=COLOUR_MAP,
        vmin=limits[0],
        vmax=limits[1],
    )
