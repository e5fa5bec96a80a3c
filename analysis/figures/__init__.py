"""xarray in, matplotlib Figure out: heatmaps, matches, agreement, depth, fields; then bytes."""

from analysis.figures.agreements import Differences, agreement, differences
from analysis.figures.curves import Curve, ceiling
from analysis.figures.dot_plot import Dot, checks
from analysis.figures.explained import explained
from analysis.figures.explorers import explorer
from analysis.figures.fields import Field, pictures
from analysis.figures.heads import Heads, heads_by_block
from analysis.figures.heatmaps import across, against_untrained, beside, grid, scale, within
from analysis.figures.layer_map import layer_map
from analysis.figures.learning import accuracy_by_data, along_steps
from analysis.figures.map_explorer import map_explorer
from analysis.figures.matches import best_match
from analysis.figures.model_heatmap import model_heatmap
from analysis.figures.panels import Panel, panels
from analysis.figures.places import Place, place_maps
from analysis.figures.rendering import png, svg
from analysis.figures.style import colours
from analysis.figures.sweeps import sweep
from analysis.figures.token_maps import TokenMap, token_maps
from analysis.figures.values import cells

__all__ = [
    "Curve",
    "Differences",
    "Dot",
    "Field",
    "Heads",
    "Panel",
    "Place",
    "TokenMap",
    "accuracy_by_data",
    "across",
    "against_untrained",
    "agreement",
    "along_steps",
    "beside",
    "best_match",
    "ceiling",
    "cells",
    "checks",
    "colours",
    "differences",
    "explained",
    "explorer",
    "grid",
    "heads_by_block",
    "layer_map",
    "map_explorer",
    "model_heatmap",
    "panels",
    "pictures",
    "place_maps",
    "png",
    "scale",
    "svg",
    "sweep",
    "token_maps",
    "within",
]
