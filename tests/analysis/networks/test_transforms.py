import json
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.transforms import preprocessing, transform

VIT = {"img_size": 32, "patch_size": 8, "depth": 1, "embed_dim": 24, "num_heads": 2}


def vit(**changes: Any) -> Network:
    return load(ModelSpec("vit", timm="vit_tiny_patch16_224", arguments={**VIT, **changes}))


def gradient(size: int = 40) -> np.ndarray:
    """Every value from 0 to 255, from black to white."""
    return np.linspace(0, 255, size * size).round().astype(np.uint8).reshape(size, size)


def test_a_picture_of_the_right_size_is_only_normalised() -> None:
    network = load(ModelSpec("small", zoo="resnet"))
    values = gradient(28)
    made = transform(network)(Image.fromarray(values))
    assert made.shape == (1, 28, 28)
    assert made.dtype == torch.float32
    np.testing.assert_allclose(made[0].numpy(), (values / 255 - 0.2860) / 0.3530, atol=1e-6)


def test_any_size_becomes_the_network_s_and_is_normalised_by_colour() -> None:
    network = vit()
    white = transform(network)(Image.new("RGB", (70, 50), (255, 0, 128)))
    assert white.shape == (3, 32, 32)
    mean, std = network.data_config["mean"], network.data_config["std"]
    expected = [(v / 255 - m) / s for v, m, s in zip((255, 0, 128), mean, std, strict=True)]
    np.testing.assert_allclose(white.amax((1, 2)), expected, atol=1e-5)
    np.testing.assert_allclose(white.amin((1, 2)), expected, atol=1e-5)


def test_what_timm_evaluates_with_is_used() -> None:
    # crop_pct 0.5: the middle quarter of a picture that is white there alone.
    network = vit(pretrained_cfg_overlay={"crop_pct": 0.5})
    values = np.zeros((64, 64), np.uint8)
    values[14:50, 14:50] = 255
    made = transform(network)(Image.fromarray(values))
    assert made.shape == (3, 32, 32)
    assert (made[0] == made[0, 0, 0]).all()
    assert made[0, 0, 0] > 0


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA", "LA", "CMYK", "YCbCr", "I;16", "I"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_of_a_grey_picture_gives_the_same(mode: str, channels: int) -> None:
    network = vit(in_chans=channels)
    values = gradient()
    plain = Image.fromarray(values)
    if mode in ("I;16", "I"):
        wide = values.astype(np.uint16) * 257  # 255 becomes 65535.
        picture = Image.fromarray(wide if mode == "I;16" else wide.astype(np.int32))
        assert picture.mode == mode
    elif mode == "CMYK":
        picture = plain.convert("RGB").convert("CMYK")
    else:
        picture = plain.convert(mode)
    made = transform(network)(picture)
    assert made.shape == (channels, 32, 32)
    # A level of 255 is 0.0157 after normalising by 0.25; rounding on the way may cost three.
    np.testing.assert_allclose(made, transform(network)(plain), atol=0.05)


def test_one_bit_is_black_and_white() -> None:
    picture = Image.fromarray(gradient() > 127)
    assert picture.mode == "1"
    made = transform(vit())(picture)
    assert made.min() < -0.9
    assert made.max() > 0.9


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (Image.new("F", (8, 8), 0.5), "mode 'F'"),
        (Image.fromarray(np.full((8, 8), 70000, np.int32)), "70000, expected 16 bits"),
        (Image.fromarray(np.full((8, 8), -1, np.int32)), "from -1 to"),
    ],
)
def test_values_without_a_known_white_are_refused(picture: Image.Image, said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        transform(vit())(picture)


def test_other_numbers_of_channels_are_refused() -> None:
    network = vit(in_chans=4)
    with pytest.raises(AnalysisError, match="vit takes 4 channels"):
        transform(network)
    with pytest.raises(AnalysisError, match="vit takes 4 channels"):
        preprocessing(network)


def test_the_function_can_go_to_another_process() -> None:
    there = pickle.loads(pickle.dumps(transform(vit())))
    picture = Image.fromarray(gradient())
    assert torch.equal(there(picture), transform(vit())(picture))


@pytest.mark.parametrize(
    "change",
    [
        {"img_size": 40},
        {"in_chans": 1},
        {"pretrained_cfg_overlay": {"mean": [0.1, 0.1, 0.1]}},
        {"pretrained_cfg_overlay": {"crop_pct": 0.8}},
        {"pretrained_cfg_overlay": {"interpolation": "bilinear"}},
    ],
)
def test_preprocessing_is_json_and_knows_what_changes_an_input(change: dict[str, Any]) -> None:
    known = preprocessing(vit())
    assert json.loads(json.dumps(known)) == known
    assert preprocessing(vit()) == known
    assert preprocessing(vit(**change)) != known
