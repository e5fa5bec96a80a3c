"""Colours that mean something are told apart with any colour vision, on paper and in grey."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

from seelike.analysis.figures.drawing.style import COLOUR_MAP, GREY, OKABE_ITO

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def seen(colours: list[str], vision: str) -> np.ndarray:
    """CIELAB of ``colours`` as that vision sees them, (n, 3)."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ VISION[vision].T, 0, 1)
    simulated = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(simulated))


@pytest.mark.parametrize("vision", VISION)
def test_model_colours_are_far_apart_and_seen_on_white(vision: str) -> None:
    lab = seen([*OKABE_ITO, "#ffffff"], vision)
    apart = {(i, j): float(deltaE_ciede2000(lab[i], lab[j])) for i, j in combinations(range(7), 2)}
    # A difference of 2 is just seen; 10 is told apart at a glance.
    assert min(apart.values()) > 10, apart
    assert float(deltaE_ciede2000(lab[0], seen([GREY], vision)[0])) > 10


@pytest.mark.parametrize("vision", VISION)
def test_the_colour_map_gets_lighter_all_the_way(vision: str) -> None:
    shades = colormaps[COLOUR_MAP](np.linspace(0, 1, 64))[:, :3]
    lightness = seen([tuple(shade) for shade in shades], vision)[:, 0]
    assert (np.diff(lightness) > 0).all()
