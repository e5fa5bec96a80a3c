"""xarray in, matplotlib Figure out: heatmaps, best matches, dots with intervals; then bytes."""

from analysis.figures.dot_plot import Dot, checks
from analysis.figures.heatmaps import across, against_untrained, grid, scale, within
from analysis.figures.matches import best_match
from analysis.figures.rendering import png, svg
from analysis.figures.style import colours
from analysis.figures.values import cells

__all__ = [
    "Dot",
    "across",
    "against_untrained",
    "best_match",
    "cells",
    "checks",
    "colours",
    "grid",
    "png",
    "scale",
    "svg",
    "within",
]
