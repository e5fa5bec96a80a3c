"""All pairs of layers of few models in panels, of many in one picture with the same cells."""

import itertools

import numpy as np
import pytest
import xarray as xr

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import all_pairs, mosaic

MODELS = ["vit", "resnet", "mixer"]


def test_mosaic_has_the_cells_of_every_pair_ruled_between_models(comparison):
    figure = mosaic(comparison, MODELS)
    axes = figure.axes[0]
    drawn = axes.images[0].get_array()
    sizes = [int((comparison["model_a"].values == model).sum()) for model in MODELS]
    edges = np.cumsum([0, *sizes])
    for (i, a), (j, b) in itertools.product(enumerate(MODELS), repeat=2):
        rows = comparison["model_a"].values == a
        columns = comparison["model_b"].values == b
        np.testing.assert_array_equal(
            drawn[edges[i] : edges[i + 1], edges[j] : edges[j + 1]],
            comparison["cka"].values[np.ix_(rows, columns)],
        )
    ruled = {float(x) for line in axes.lines for x in line.get_xdata()}
    assert set(edges[1:-1] - 0.5) <= ruled
    assert [label.get_text() for label in axes.get_yticklabels()] == MODELS
    middles = (edges[:-1] + edges[1:]) / 2 - 0.5
    np.testing.assert_array_equal(axes.get_yticks(), middles)


def test_more_than_six_models_are_one_picture(comparison):
    few = all_pairs(comparison, MODELS)
    assert len([axes for axes in few.axes if axes.images]) == len(MODELS) ** 2
    many = all_pairs(renamed(comparison, count=7), [f"m{i}" for i in range(7)])
    assert len([axes for axes in many.axes if axes.images]) == 1


def renamed(comparison: xr.Dataset, *, count: int) -> xr.Dataset:
    """The same layers, shared out among ``count`` models."""
    names = np.array([f"m{i % count}" for i in range(comparison.sizes["tap_a"])], object)
    attrs = comparison.attrs | {"models": {f"m{i}": {"trained": True} for i in range(count)}}
    return comparison.assign_coords(
        {f"model_{side}": (f"tap_{side}", names) for side in "ab"}
    ).assign_attrs(attrs)


def test_an_unknown_model_is_named(comparison):
    with pytest.raises(AnalysisError, match="'vitt'"):
        mosaic(comparison, ["vitt"])
