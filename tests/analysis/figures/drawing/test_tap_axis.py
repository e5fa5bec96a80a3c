"""Which taps are named, for any names and any size of the axis."""

import numpy as np
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from seelike.analysis.figures.drawing.tap_axis import index_of_depth, name_taps

tap_names = st.lists(
    st.sampled_from(["norm", "blocks.0", "blocks.1.attn", "blocks.2.mlp.act"]),
    min_size=1,
    max_size=80,
)


def axis_of(names: list[str], inches: float):
    figure = Figure(figsize=(2, inches))
    axes = figure.add_axes((0.5, 0, 0.5, 1))
    axes.set_ylim(-0.5, len(names) - 0.5)
    name_taps(axes.yaxis, xr.DataArray(np.array(names, object), dims="tap"))
    return axes.yaxis


@settings(max_examples=40, deadline=None)
@given(names=tap_names, inches=st.floats(0.5, 8))
def test_named_taps_are_a_line_apart_and_hold_the_first(names, inches):
    axis = axis_of(names, inches)
    places = axis.get_majorticklocs()
    assert places[0] == 0
    points = np.diff(places) * inches * 72 / len(names)
    assert (points >= axis.get_major_ticks(1)[0].label1.get_fontsize()).all()


def test_all_names_where_there_is_room():
    names = ["patch_embed", *(f"blocks.{i}" for i in range(8))]
    assert [t.get_text() for t in axis_of(names, 3).get_ticklabels()] == names


def test_block_outputs_are_named_before_what_is_inside():
    inside = [f"blocks.{i}{part}" for i in range(6) for part in (".attn", ".mlp.fc1", "")]
    names = ["patch_embed", *inside, "norm"]
    shown = [t.get_text() for t in axis_of(names, 1.6).get_ticklabels()]
    assert shown == ["patch_embed", *(f"blocks.{i}" for i in range(5)), "norm"]


def test_where_not_all_blocks_fit_some_are_named_evenly():
    names = ["patch_embed", *(f"blocks.{i}" for i in range(24)), "norm"]
    places = axis_of(names, 1.6).get_majorticklocs()
    assert len(places) > 6
    assert len(set(np.diff(places[1:-1]))) == 1


def test_depth_lies_between_the_taps_around_it():
    depth = np.array([0.0, 0.1, 0.5, 1.0])
    np.testing.assert_allclose(index_of_depth(np.array([0, 0.3, 1]), depth), [0, 1.5, 3])
