"""Networks of the comparisons: untrained timm networks, their taps, and shared images."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.network import Network

# timm starts the last normalisation of a branch at zero: untrained, the branches would be constant.
BRANCHES: dict[str, Any] = {"zero_init_last": False}


def small(size: int) -> dict[str, Any]:
    """Arguments of a ResNet for images of ``size`` pixels."""
    return BRANCHES | {"pretrained_cfg_overlay": {"input_size": [3, size, size]}}


# Toy sizes: what --quick and the tests run.
TOY_VIT: dict[str, Any] = {
    "timm": "vit_tiny_patch16_224",
    "arguments": {"img_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 2, "num_heads": 2},
}
TOY_RESNET: dict[str, Any] = {"timm": "resnet10t", "arguments": small(32)}
VIT_S: dict[str, Any] = {"timm": "vit_small_patch16_224"}
RESNET_50: dict[str, Any] = {"timm": "resnet50", "arguments": BRANCHES}


def network(architecture: dict[str, Any], *, device: str, seed: int = 0) -> Network:
    """The untrained timm network of ``architecture`` (``timm``, ``arguments``) on ``device``."""
    spec = ModelSpec(f"{architecture['timm']} {seed}", seed=seed, **architecture)
    return load(spec).to(device)


def outputs(of: Network, patterns: str) -> tuple[Tap, ...]:
    """The taps that a peer can read as well: outputs. It knows no inputs of modules."""
    return tuple(tap for tap in taps(of, patterns) if tap.side == "output")


def modules(chosen: Sequence[Tap]) -> list[str]:
    """The taps by module name, as peers take them."""
    return [tap.module for tap in chosen]


def images(of: Network, *, batches: int, batch: int, seed: int = 0) -> list[Tensor]:
    """Batches of images (batch, c, h, w) in memory on the network's device: normal noise."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, *of.input_size, generator=generator).to(of.device)
        for _ in range(batches)
    ]


def forward(of: Network, batches: Sequence[Tensor]) -> None:
    """The bare forward pass in inference mode: what everything else is measured against."""
    with torch.inference_mode():
        for batch in batches:
            of.module(batch)
