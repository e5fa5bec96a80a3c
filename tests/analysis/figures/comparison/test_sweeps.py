"""The sweep's lines are its numbers, every batch size is distinct, nothing vanishes."""

import itertools

import matplotlib.colors
import numpy as np
import pytest
import xarray as xr

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import sweep

IMAGES, SIZES = [32, 64, 128, 200], [64, 16, 256, 32]


def swept(images=IMAGES, sizes=SIZES) -> xr.Dataset:
    n, b = np.array(images)[:, None], np.array(sizes)[None]
    mean = np.where(n >= b, (1 + 6 / b) / np.sqrt(n) / 30, np.nan)
    dims = ("images", "batch_size")
    return xr.Dataset(
        {"error_mean": (dims, mean), "error_max": (dims, 7 * mean)},
        {"images": images, "batch_size": sizes},
        attrs={
            "reference": "cka_exact",
            "measures": {"cka_exact": {"title": "exact CKA over all images"}},
        },
    )


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_each_line_holds_the_errors_of_one_batch_size():
    dataset = swept()
    figure = sweep(dataset)
    for axes, name in zip(figure.axes, ("error_mean", "error_max"), strict=True):
        assert [line.get_label() for line in axes.lines] == ["16", "32", "64"]
        for line in axes.lines:
            errors = dataset[name].sel(batch_size=int(line.get_label())).dropna("images")
            np.testing.assert_array_equal(line.get_xdata(), errors["images"])
            np.testing.assert_array_equal(line.get_ydata(), errors)
    assert legend(figure) == ["16", "32", "64"]
    assert figure.legends[0].get_title().get_text() == "images per batch"


def test_both_axes_are_logarithmic_shared_and_named():
    first, second = sweep(swept()).axes
    for axes in (first, second):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert axes.get_xlabel() == "images used"
    assert first.get_ylim() == second.get_ylim()
    low, high = first.get_ylim()
    dataset = swept()
    assert low < float(dataset["error_mean"].min()) < float(dataset["error_max"].max()) < high
    said = first.get_ylabel().replace("\n", " ")
    assert said == "absolute difference from exact CKA over all images"
    named = swept().assign_attrs(measures={})
    assert sweep(named).axes[0].get_ylabel().replace("\n", "").endswith("cka_exact")
    first.figure.draw_without_rendering()
    shown = [t.get_text() for t in first.get_xticklabels()]
    assert {"32", "64", "128"} <= set(shown)


def test_colours_go_from_dark_to_pale_with_the_batch():
    first, second = sweep(swept([4096], [16, 32, 64, 128, 256, 512, 1024])).axes
    colours = [line.get_color() for line in first.lines]
    assert [line.get_color() for line in second.lines] == colours
    weight = (0.299, 0.587, 0.114)
    light = [float(np.dot(matplotlib.colors.to_rgb(colour), weight)) for colour in colours]
    assert (np.diff(light) > 0.05).all()
    neighbours = [line.get_marker() for line in first.lines]
    assert all(a != b for a, b in itertools.pairwise(neighbours))


def test_rounding_is_a_triangle_at_the_edge_of_axes_that_fit_the_others():
    dataset = swept(IMAGES, [16, 200])
    whole = {"images": 200, "batch_size": 200}
    dataset["error_mean"].loc[whole] = 3e-8
    dataset["error_max"].loc[whole] = 0.0
    figure = sweep(dataset)
    for axes, name in zip(figure.axes, ("error_mean", "error_max"), strict=True):
        small, one, edge = axes.lines
        assert len(small.get_xdata()) == 4
        assert one.get_label() == "200"
        assert len(one.get_xdata()) == 0
        assert (edge.get_marker(), edge.get_color()) == ("v", one.get_color())
        assert list(edge.get_xdata()) == [200]
        assert edge.get_transform() == axes.get_xaxis_transform()
        assert axes.get_ylim()[0] > 1e-4, name
    assert legend(figure) == ["16", "200", "at most 1e-06, rounding"]


def test_what_is_missing_or_no_difference_is_refused():
    with pytest.raises(AnalysisError, match="'error_max' is not in the dataset"):
        sweep(swept().drop_vars("error_max"))
    nameless = swept()
    del nameless.attrs["reference"]
    with pytest.raises(AnalysisError, match="names no 'reference'"):
        sweep(nameless)
    with pytest.raises(AnalysisError, match="every batch is larger"):
        sweep(swept([32], [64]))
    for wrong in (np.nan, np.inf, -0.1):
        broken = swept()
        broken["error_max"].loc[{"images": 128, "batch_size": 32}] = wrong
        with pytest.raises(AnalysisError, match="error_max of 128 images in batches of 32 is"):
            sweep(broken)
