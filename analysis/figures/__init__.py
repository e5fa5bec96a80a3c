"""xarray in, matplotlib Figure out: heatmaps, matches, agreement, depth, fields; then bytes."""

from seelike.analysis.figures.anatomy.fields import Field, pictures
from seelike.analysis.figures.anatomy.heads import Heads, heads_by_block
from seelike.analysis.figures.anatomy.panels import Panel, panels
from seelike.analysis.figures.anatomy.places import Place, place_maps
from seelike.analysis.figures.anatomy.token_maps import TokenMap, token_maps
from seelike.analysis.figures.comparison.agreements import Differences, agreement, differences
from seelike.analysis.figures.comparison.cells import scale
from seelike.analysis.figures.comparison.curves import Curve, ceiling
from seelike.analysis.figures.comparison.explorers import explorer
from seelike.analysis.figures.comparison.heatmaps import (
    across,
    against_untrained,
    beside,
    grid,
    within,
)
from seelike.analysis.figures.comparison.matches import best_match
from seelike.analysis.figures.comparison.mosaic import all_pairs, mosaic
from seelike.analysis.figures.comparison.sweeps import sweep
from seelike.analysis.figures.dot_plot import Dot, checks
from seelike.analysis.figures.drawing.rendering import png, svg
from seelike.analysis.figures.drawing.style import colours
from seelike.analysis.figures.learning import accuracy_by_data, along_steps
from seelike.analysis.figures.model_map.explained import explained
from seelike.analysis.figures.model_map.layer_map import layer_map
from seelike.analysis.figures.model_map.map_explorer import map_explorer
from seelike.analysis.figures.model_map.model_heatmap import model_heatmap

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
    "all_pairs",
    "along_steps",
    "beside",
    "best_match",
    "ceiling",
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
    "mosaic",
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
