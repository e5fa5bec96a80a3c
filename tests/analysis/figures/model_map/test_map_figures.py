"""Figures of a map hold its own numbers: read back from the drawings and the document."""

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr
from bokeh.document import Document
from bokeh.models import ColumnDataSource, HoverTool, Legend
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Annotation

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import explained, layer_map, map_explorer, model_heatmap
from seelike.analysis.figures.drawing.style import OKABE_ITO
from seelike.analysis.figures.model_map.layer_map import spread
from seelike.analysis.figures.model_map.paths import model_paths

from .mapped import make_map

TWINS = ("vit a", "resnet a", "vit b", "mixer a", "vit a untrained")
MANY = tuple(f"{family} {i}" for family in ("vit", "resnet", "mixer") for i in range(9))


@pytest.fixture(scope="module")
def mapped() -> xr.Dataset:
    return make_map(TWINS)


def test_the_heatmap_stands_in_the_order_of_its_tree(mapped: xr.Dataset) -> None:
    for aggregate in ("aligned", "best_match"):
        figure = model_heatmap(mapped, aggregate)
        tree, strip, heat = figure.axes[:3]
        own = mapped.sel(aggregate=aggregate)
        order = own["order"].values
        names = [mapped["model"].values[i] for i in order]
        assert [label.get_text() for label in heat.get_yticklabels()] == names
        assert [label.get_text() for label in heat.get_xticklabels()] == names
        np.testing.assert_array_equal(
            np.asarray(heat.images[0].get_array()), own["similarity"].values[np.ix_(order, order)]
        )
        colours = np.asarray(strip.images[0].get_array())[:, 0]
        families = [mapped["family"].values[i] for i in order]
        assert all(
            np.array_equal(colours[i], colours[j]) == (families[i] == families[j])
            for i, j in np.ndindex(5, 5)
        )
        # The tree's leaves are the heatmap's rows: forks of two leaves lie between neighbours.
        heights = [line[:, 0].max() for line in tree.collections[0].get_segments()]
        np.testing.assert_allclose(sorted(heights), own["merges"].values[:, 2])
        assert heat.get_ylim() == tree.get_ylim() == (-0.5, 4.5)


def test_every_model_is_a_path_with_its_ends_marked_and_its_name(mapped: xr.Dataset) -> None:
    axes = layer_map(mapped).axes[0]
    places, owner = mapped["place"].values, mapped["tap_model"].values
    for number, model in enumerate(TWINS):
        path, first, last = axes.lines[3 * number : 3 * number + 3]
        np.testing.assert_array_equal(np.column_stack(path.get_data()), places[owner == model])
        np.testing.assert_array_equal(np.ravel(first.get_data()), places[owner == model][0])
        np.testing.assert_array_equal(np.ravel(last.get_data()), places[owner == model][-1])
        assert (first.get_marker(), last.get_marker()) == ("s", "o")
        assert (path.get_linestyle() == "-") == (not model.endswith("untrained"))
    texts = [text for text in axes.texts if isinstance(text, Annotation)]
    assert {text.get_text() for text in texts} == set(TWINS)
    heights = sorted(text.xyann[1] for text in texts)
    assert (np.diff(heights) > 0.02).all()
    assert "of squared distances" in axes.get_xlabel()
    # Distances are the same along both axes.
    assert axes.get_aspect() == 1


def test_few_models_have_a_colour_each_and_many_one_a_family(mapped: xr.Dataset) -> None:
    few = {way.model: way.colour for way in model_paths(mapped)}
    assert few["vit a untrained"] == few["vit a"]
    assert len(set(few.values())) == 4
    many = model_paths(make_map(MANY))
    assert {(way.family, way.colour) for way in many} == set(
        zip(("vit", "resnet", "mixer"), OKABE_ITO, strict=False)
    )


@given(st.lists(st.floats(-1, 2), min_size=1, max_size=12))
def test_names_are_moved_apart_and_no_further(wanted: list[float]) -> None:
    ascending = np.sort(wanted)
    found = spread(ascending, gap=0.1)
    assert (np.diff(found) >= 0.1 - 1e-9).all()
    assert found.mean() == pytest.approx(ascending.mean(), abs=1e-9)
    if (np.diff(ascending) >= 0.1).all():
        np.testing.assert_allclose(found, ascending, atol=1e-9)


def test_bars_are_shares_and_hollow_where_chance_may_be_all(mapped: xr.Dataset) -> None:
    axes = explained(mapped).axes[0]
    shares, p = mapped["factor_share"].values[0], mapped["factor_p"].values[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(shares.tolist())
    assert [text.get_text() for text in axes.texts] == [f"p = {one:.3f}" for one in p]
    assert [bar.get_facecolor() == (1, 1, 1, 1) for bar in axes.patches] == (p > 0.05).tolist()
    figure = axes.figure
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)


def opened(text: str) -> Document:
    return Document.from_json(json.loads(text)["doc"])


def one(document: Document, kind: type) -> Any:
    (found,) = document.select({"type": kind})
    return found


def test_the_pointer_is_told_model_tap_and_depth(mapped: xr.Dataset) -> None:
    text = map_explorer(mapped)
    document = opened(text)
    hover = one(document, HoverTool)
    assert [words for words, _ in hover.tooltips] == ["model", "layer", "depth"]
    sources = list(document.select({"type": ColumnDataSource}))
    (layers,) = [source.data for source in sources if "tap" in source.data]
    (paths,) = [source.data for source in sources if "dash" in source.data]
    np.testing.assert_array_equal(
        np.column_stack([layers["x"], layers["y"]]), mapped["place"].values
    )
    assert list(layers["tap"]) == mapped["tap"].values.tolist()
    assert list(layers["model"]) == mapped["tap_model"].values.tolist()
    np.testing.assert_array_equal(layers["depth"], mapped["depth"].values)
    assert list(paths["model"]) == list(TWINS)
    assert [item.label.value for item in one(document, Legend).items] == list(TWINS)
    assert map_explorer(mapped) == text


def test_a_legend_of_many_models_has_their_families() -> None:
    legend = one(opened(map_explorer(make_map(MANY))), Legend)
    assert [item.label.value for item in legend.items] == ["vit", "resnet", "mixer"]
    assert legend.click_policy == "hide"


def test_what_is_not_there_is_named(mapped: xr.Dataset) -> None:
    with pytest.raises(AnalysisError, match="aggregate 'mean' is not there; there are aligned"):
        model_heatmap(mapped, "mean")
    with pytest.raises(AnalysisError, match="5 models, a dendrogram takes 2 or more"):
        model_heatmap(mapped.drop_vars("merges"), "aligned")
    without = mapped.drop_vars(["place", "factor_share"])
    for draw in (layer_map, map_explorer):
        with pytest.raises(AnalysisError, match="there is no map of the layers"):
            draw(without)
    with pytest.raises(AnalysisError, match="no factor was tested"):
        explained(without)
