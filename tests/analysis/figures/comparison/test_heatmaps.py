"""Heatmaps show the right cells the right way up, on one scale, with names that can be read."""

import itertools

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import across, against_untrained, best_match, grid, png, scale, within

MODELS = ["vit", "resnet", "mixer"]


def heatmaps(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images and axes.get_label() != "<colorbar>"]


def names(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def block(comparison, a, b, measure="cka"):
    rows = comparison["model_a"].values == a
    columns = comparison["model_b"].values == b
    return comparison[measure].values[np.ix_(rows, columns)]


DRAW = {
    "within": lambda c, **which: within(c, "vit", **which),
    "across": lambda c, **which: across(c, "vit", "resnet", **which),
    "grid": lambda c, **which: grid(c, MODELS, **which),
    "against_untrained": lambda c, **which: against_untrained(c, MODELS, **which),
    "best_match": lambda c, **which: best_match(c, "vit", "resnet", **which),
}
SHOWN = {
    "within": [("vit", "vit")],
    "across": [("vit", "resnet")],
    "grid": list(itertools.product(MODELS, MODELS)),
    "against_untrained": [(m, m) for m in (*MODELS, *(f"{m}-untrained" for m in MODELS))],
}


def unit(figure: Figure) -> str:
    """What the colour bar is of, without line breaks."""
    (bar,) = (axes for axes in figure.axes if axes.get_label() == "<colorbar>")
    return bar.get_ylabel().replace("\n", " ")


def renamed(comparison, old, new):
    models = {}
    for side in "ab":
        names = [new if name == old else name for name in comparison[f"model_{side}"].values]
        models[f"model_{side}"] = (f"tap_{side}", np.array(names, object))
    return comparison.assign_coords(models)


def test_across_puts_model_a_upward_and_model_b_rightward(comparison):
    figure = across(comparison, "vit", "resnet")
    (axes,) = heatmaps(figure)
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), block(comparison, "vit", "resnet"))
    # The cell of the two first taps is at the lower left.
    assert image.origin == "lower"
    assert (axes.transData.transform((1, 1)) > axes.transData.transform((0, 0))).all()
    assert names(axes.yaxis)[0] == "patch_embed"
    assert names(axes.yaxis)[-1] == "blocks.7"
    assert names(axes.xaxis)[0] == "act1"
    assert axes.get_xlabel() == "resnet: layers, input to output"
    assert axes.get_ylabel() == "vit: layers, input to output"


def test_within_is_a_square_of_one_model(comparison):
    (axes,) = heatmaps(within(comparison, "mixer"))
    np.testing.assert_array_equal(axes.images[0].get_array(), block(comparison, "mixer", "mixer"))
    assert axes.bbox.width == pytest.approx(axes.bbox.height)


def test_depth_is_read_at_the_tap_that_has_it(make_comparison):
    comparison = make_comparison(kind="paper")
    (axes,) = heatmaps(across(comparison, "resnet", "vit"))
    top, right = axes.child_axes
    assert [t.get_text() for t in top.get_xticklabels()] == ["0", "0.25", "0.5", "0.75", "1"]
    for opposite, side, model in ((top.xaxis, "b", "vit"), (right.yaxis, "a", "resnet")):
        count = int((comparison[f"model_{side}"] == model).sum())
        # The made-up depths are even, so depth d lies at d of the way.
        np.testing.assert_allclose(
            opposite.get_majorticklocs(), np.array([0, 0.25, 0.5, 0.75, 1]) * (count - 1)
        )


@pytest.mark.parametrize("draw", [grid, against_untrained])
def test_one_scale_and_one_colour_bar_for_all_panels(comparison, draw):
    figure = draw(comparison, MODELS)
    limits = {axes.images[0].get_clim() for axes in heatmaps(figure)}
    assert limits == {scale(comparison)}
    assert [axes.get_ylabel() for axes in figure.axes].count("CKA") == 1


def test_the_scale_ends_at_one_and_keeps_negative_values_visible(comparison):
    assert scale(comparison) == (0.0, 1.0)
    negative = comparison.copy(deep=True)
    negative["cka"][0, 20] = -0.07
    assert scale(negative) == (-0.07, 1.0)
    assert scale(comparison, negative) == (-0.07, 1.0)
    (axes,) = heatmaps(within(comparison, "vit", limits=scale(negative)))
    assert axes.images[0].get_clim() == (-0.07, 1.0)


def test_grid_holds_every_pair_named_on_its_edges(comparison):
    figure = grid(comparison, MODELS)
    panels = heatmaps(figure)
    assert len(panels) == 9
    for axes, (a, b) in zip(panels, itertools.product(MODELS, MODELS), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), block(comparison, a, b))
    assert [axes.get_ylabel() for axes in panels[::3]] == MODELS
    assert [axes.get_xlabel() for axes in panels[6:]] == MODELS


def test_untrained_twins_stand_below_their_trained_models(comparison):
    panels = heatmaps(against_untrained(comparison, ["resnet", "vit"]))
    shown = ["resnet", "vit", "resnet-untrained", "vit-untrained"]
    for axes, model in zip(panels, shown, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), block(comparison, model, model))
    assert [panels[0].get_ylabel(), panels[2].get_ylabel()] == ["trained", "untrained"]
    assert [panels[2].get_xlabel(), panels[3].get_xlabel()] == ["resnet", "vit"]


@pytest.mark.parametrize("kind", ["blocks", "paper"])
def test_tap_names_never_overlap(make_comparison, kind):
    comparison = make_comparison(kind=kind)
    figure = grid(comparison, [*MODELS, "vit-untrained", "resnet-untrained"])
    figure.draw_without_rendering()
    for axes in heatmaps(figure):
        for axis in (axes.xaxis, axes.yaxis):
            boxes = [t.get_window_extent() for t in axis.get_ticklabels() if t.get_visible()]
            assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_an_untrained_model_is_called_so_whatever_its_name(comparison):
    other = renamed(comparison, "vit-untrained", "chance")
    (axes,) = heatmaps(across(other, "chance", "vit"))
    assert axes.get_ylabel().split() == [
        "chance",
        "(untrained):",
        "layers,",
        "input",
        "to",
        "output",
    ]


def test_a_dollar_in_a_name_starts_no_formula(comparison):
    odd = renamed(comparison, "vit", r"$\frac$")
    figure = across(odd, r"$\frac$", "resnet")
    (axes,) = heatmaps(figure)
    assert axes.get_ylabel() == r"\$\frac\$: layers, input to output"
    # As a formula this name would be an error.
    assert png(figure)


def test_names_as_zarr_returns_them(comparison):
    strings = {
        key: value.astype(np.dtypes.StringDType())
        for key, value in comparison.coords.items()
        if value.dtype == object
    }
    (axes,) = heatmaps(across(comparison.assign_coords(strings), "vit", "resnet"))
    assert names(axes.xaxis)[0] == "act1"


def test_an_unknown_model_is_named_with_the_nearest(comparison):
    for draw in (
        lambda: within(comparison, "vti"),
        lambda: grid(comparison, ["vit", "vti"]),
        lambda: against_untrained(comparison, ["vti"]),
    ):
        with pytest.raises(AnalysisError, match=r"model 'vti' is not in the comparison.*vit"):
            draw()
    with pytest.raises(AnalysisError, match="no model named"):
        grid(comparison, [])


def test_a_model_without_a_twin_is_refused(comparison):
    with pytest.raises(AnalysisError, match="'vit-untrained' has no untrained baseline"):
        against_untrained(comparison, ["vit-untrained"])


def test_a_cell_that_is_no_number_is_refused_by_name(comparison):
    broken = comparison.copy(deep=True)
    broken["cka"][2, 10] = np.nan
    with pytest.raises(AnalysisError, match=r"vit's blocks\.1 with resnet's layer1\.0 is nan"):
        across(broken, "vit", "resnet")


@pytest.mark.parametrize("name", SHOWN)
def test_every_heatmap_shows_the_measure_that_is_asked_for(measured, name):
    figure = DRAW[name](measured, measure="predictivity")
    for axes, (a, b) in zip(heatmaps(figure), SHOWN[name], strict=True):
        np.testing.assert_array_equal(
            axes.images[0].get_array(), block(measured, a, b, "predictivity")
        )
        assert axes.images[0].get_clim() == scale(measured, measure="predictivity")
    # It differs both ways.
    said = "linear predictivity, held-out R² of a ridge regression (row to column)"
    assert unit(figure) == said


def test_colour_bars_have_the_measures_title_or_else_its_name(measured):
    assert unit(within(measured, "vit")) == "Minibatch CKA"
    unnamed = measured.assign_attrs(measures={})
    assert unit(within(unnamed, "vit")) == "CKA"
    assert unit(within(unnamed, "vit", measure="cka_exact")) == "cka_exact"


def test_scale_is_of_the_measure(measured):
    smallest = float(measured["predictivity"].min())
    assert smallest < 0
    assert scale(measured, measure="predictivity") == (smallest, 1.0)


@pytest.mark.parametrize("name", DRAW)
def test_a_measure_that_is_not_there_is_named_with_the_nearest(measured, name):
    with pytest.raises(AnalysisError, match=r"measure 'predictivty' is not .* nearest: 'predictiv"):
        DRAW[name](measured, measure="predictivty")
    # Parts of a measure, and what is per batch or per model, are no measures.
    for part in ("cka_low", "cka_p", "cka_parts", "cka_best_q"):
        with pytest.raises(AnalysisError, match=f"measure '{part}' is not in the comparison"):
            DRAW[name](measured, measure=part)


def test_a_cell_of_another_measure_is_refused_by_its_title(measured):
    broken = measured.copy(deep=True)
    broken["cka_exact"][2, 10] = np.inf
    assert across(broken, "vit", "resnet")
    with pytest.raises(AnalysisError, match=r"exact CKA over all images of vit's blocks\.1 .* inf"):
        across(broken, "vit", "resnet", measure="cka_exact")
