"""Share of the distances between models that factors explain: a bar each, with its p value."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import OKABE_ITO, plain, style
from seelike.analysis.figures.model_map.model_heatmap import TITLES
from seelike.analysis.similarity.significance.permutation_tests import LEVEL

_HEIGHT = 0.34
# Inches.
_PAD = 0.15


def explained(mapped: xr.Dataset) -> Figure:
    """R² of every factor, a bar an aggregate; bars whose p is above 0.05 are hollow.

    Raises ``AnalysisError`` where no factor was tested.
    """
    if "factor_share" not in mapped:
        raise AnalysisError("no factor was tested; see why they were left out")
    factors = [str(name) for name in mapped["factor"].values]
    aggregates = [str(name) for name in mapped["aggregate"].values]
    with style():
        # Without a margin of its own the longest name would touch the edge.
        layout = ConstrainedLayoutEngine(w_pad=_PAD)
        figure = Figure(figsize=(6.2, 1.2 + 0.62 * len(factors)), layout=layout)
        axes = figure.subplots()
        for number, aggregate in enumerate(aggregates):
            own = mapped.sel(aggregate=aggregate)
            share, p = own["factor_share"].values, own["factor_p"].values
            places = -np.arange(len(factors)) - (number - (len(aggregates) - 1) / 2) * _HEIGHT
            colour = OKABE_ITO[number]
            axes.barh(
                places,
                share,
                height=0.9 * _HEIGHT,
                color=[colour if one <= LEVEL else "white" for one in p],
                edgecolor=colour,
                linewidth=0.8,
                label=TITLES[aggregate],
            )
            for place, value, one in zip(places, share, p, strict=True):
                axes.text(value + 0.01, place, f"p = {_shown(one)}", va="center", size=7)
        axes.set_yticks(-np.arange(len(factors)), labels=[plain(name) for name in factors])
        axes.set_xlim(0, 1.15)
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.set_xlabel("share of squared distances explained (R²)")
        axes.grid(axis="x", color="#e6e6e6", linewidth=0.5)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(left=False)
        figure.legend(loc="outside lower center", ncols=2)
        return settle(figure)


def _shown(p: float) -> str:
    """``p`` with as many places as tell it from zero."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"
