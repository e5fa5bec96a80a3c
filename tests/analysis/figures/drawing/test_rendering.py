"""Bytes of figures: the same on every run, whatever the caller's matplotlib settings are."""

import io
import re

import matplotlib as mpl
import matplotlib.image
import pytest

from seelike.analysis.figures import across, agreement, best_match, grid, png, svg


@pytest.mark.parametrize(
    "draw",
    [
        lambda c: across(c, "vit", "resnet"),
        lambda c: grid(c, ["vit", "mixer"]),
        lambda c: best_match(c, "resnet", "vit"),
        lambda c: agreement(c, "cka", "cka", models=["vit", "mixer"]),
    ],
)
def test_the_same_figure_gives_the_same_bytes(comparison, draw):
    figure = draw(comparison)
    first = svg(figure), png(figure)
    assert (svg(figure), png(figure)) == first
    again = draw(comparison)
    assert (svg(again), png(again)) == first


def test_the_callers_settings_neither_matter_nor_change(comparison):
    plain = png(across(comparison, "vit", "vit"))
    with mpl.rc_context({"savefig.bbox": "tight", "axes.grid": True, "font.size": 20}):
        before = dict(mpl.rcParams)
        assert png(across(comparison, "vit", "vit")) == plain
        assert dict(mpl.rcParams) == before


def test_svg_has_no_date_and_points_nowhere(comparison):
    text = svg(across(comparison, "vit", "resnet")).decode()
    assert "<dc:date>" not in text
    links = re.findall(r'(?:xlink:)?href="([^"]*)"', text)
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)


def test_png_has_the_figures_size_at_192_pixels_an_inch(comparison):
    figure = across(comparison, "vit", "resnet")
    pixels = matplotlib.image.imread(io.BytesIO(png(figure)))
    assert pixels.shape[:2] == tuple(
        round(192 * inches) for inches in figure.get_size_inches()[::-1]
    )
