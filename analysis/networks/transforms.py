"""Transforms of pictures into a network's input: timm's evaluation transform, right channels."""

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

# Pillow's mode by number of channels.
MODES = {1: "L", 3: "RGB"}
# The white of an image of 16 bits: Pillow's modes for grey images of 16 bits.
WHITE = 65535
SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def transform(network: Network) -> Callable[[Image.Image], Tensor]:
    """Make the function that turns a picture into the network's input.

    Grey, palette, transparent (the alpha channel is dropped), CMYK and 16-bit pictures are
    converted to grey or RGB; then timm's evaluation transform resizes, crops and normalises.

    Args:
        network: The network.

    Returns:
        A function from a Pillow image to (c, h, w), float32, which can be pickled. It raises
        ``AnalysisError`` for a picture whose values have no known white.

    Raises:
        AnalysisError: For a network that takes neither one channel nor three.

    Examples:
        ```python
        images = torch.stack([transform(network)(picture) for picture in pictures])
        ```
    """
    mode = _mode(network)
    evaluate = create_transform(
        input_size=network.input_size, is_training=False, **network.data_config
    )
    return partial(_apply, mode=mode, evaluate=evaluate)


def preprocessing(network: Network) -> dict[str, Any]:
    """Describe everything that determines a picture's input, writable as JSON."""
    config = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in network.data_config.items()
    }
    return {"input_size": list(network.input_size), "mode": _mode(network), **config}


def _mode(network: Network) -> str:
    channels = network.input_size[0]
    if channels not in MODES:
        raise AnalysisError(
            f"{network.name} takes {channels} channels, but pictures have 1 (grey) or 3 (RGB); "
            "leave it out"
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
    """Scale from 0..65535 to 0..255, where Pillow would cut everything above 255."""
    values = np.asarray(picture).astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > WHITE):
        raise AnalysisError(
            f"a picture of mode {picture.mode!r} has values from {values.min()} to "
            f"{values.max()}, expected 16 bits (0 to {WHITE}); save it with 8 or 16 bits"
        )
    return Image.fromarray(np.round(values * (255 / WHITE)).astype(np.uint8))
