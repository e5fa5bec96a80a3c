"""From a picture to what a network takes: timm's evaluation transform, the right channels."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from timm.data.transforms_factory import create_transform
from torch import Tensor

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.network import Network

# How Pillow calls an image of that many channels.
MODES = {1: "L", 3: "RGB"}
# The white of an image of 16 bits: Pillow's modes for grey images of 16 bits.
WHITE = 65535
SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def transform(network: Network) -> Callable[[Image.Image], Tensor]:
    """The function that makes a picture the network's input (c, h, w), float32.

    Grey, palette, transparent (the alpha channel is dropped), CMYK and 16-bit pictures are
    converted to grey or RGB; then timm's evaluation transform resizes, crops and normalises.
    The function can be pickled. Raises ``AnalysisError`` for a network that takes neither one
    channel nor three, and the function for a picture whose values have no known white.
    """
    mode = _mode(network)
    evaluate = create_transform(
        input_size=network.input_size, is_training=False, **network.data_config
    )
    return partial(_apply, mode=mode, evaluate=evaluate)


def preprocessing(network: Network) -> dict[str, Any]:
    """What determines a picture's input to the network, writable as JSON."""
    config = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in network.data_config.items()
    }
    return {"input_size": list(network.input_size), "mode": _mode(network), **config}


def _mode(network: Network) -> str:
    channels = network.input_size[0]
    if channels not in MODES:
        raise AnalysisError(
            f"{network.name} takes {channels} channels; pictures have 1 (grey) or 3 (RGB)"
        )
    return MODES[channels]


def _apply(
    picture: Image.Image, *, mode: str, evaluate: Callable[[Image.Image], Tensor]
) -> torch.Tensor:
    return evaluate(_converted(picture, mode))


def _converted(picture: Image.Image, mode: str) -> Image.Image:
    if picture.mode in SIXTEEN_BITS:
        picture = _eight_bits(picture)
    if picture.mode == "F":
        raise AnalysisError(
            "a picture of floating point numbers (mode 'F') has no known white; "
            "save it with 8 or 16 bits"
        )
    return picture if picture.mode == mode else picture.convert(mode)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Scaled from 0..65535 to 0..255, where Pillow would cut everything above 255."""
    values = np.asarray(picture).astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > WHITE):
        raise AnalysisError(
            f"a picture of mode {picture.mode!r} has values from {values.min()} to "
            f"{values.max()}, expected 16 bits (0 to {WHITE}); save it with 8 or 16 bits"
        )
    return Image.fromarray(np.round(values * (255 / WHITE)).astype(np.uint8))
