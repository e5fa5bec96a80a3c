"""Architectures of the reference zoo: small timm networks for 28 x 28 grey images."""

from dataclasses import dataclass
from typing import Any

import torch
from timm.models.mlp_mixer import MlpMixer
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from seelike.analysis.networks.loading.skip_free import without_skips

CLASSES = 10
SIZE = 28


@dataclass(frozen=True)
class Family:
    """The recipe of one member of the zoo: a timm class by name and its arguments."""

    builder: str
    arguments: dict[str, Any]


_VIT = {"patch_size": 4, "embed_dim": 96, "depth": 8, "num_heads": 4, "mlp_ratio": 2.0}

FAMILIES: dict[str, Family] = {
    "vit": Family("vit", _VIT),
    "vit-gap": Family("vit", _VIT | {"class_token": False, "global_pool": "avg"}),
    # Without the skip connections of one block: a first, a middle and a late one.
    "vit-skip-free-0": Family("vit", _VIT | {"skip_free": 0}),
    "vit-skip-free-4": Family("vit", _VIT | {"skip_free": 4}),
    "vit-skip-free-6": Family("vit", _VIT | {"skip_free": 6}),
    "mixer": Family(
        "mixer",
        {"patch_size": 4, "embed_dim": 96, "num_blocks": 8, "mlp_ratio": [0.5, 2.0]},
    ),
    "resnet": Family(
        "resnet",
        {"layers": [2, 2, 2, 2], "channels": [16, 32, 64, 128], "stem": 16},
    ),
}


def build(family: str, *, seed: int) -> nn.Module:
    """Build one zoo network with the initial weights of ``seed``, in evaluation mode.

    Raises:
        KeyError: For a family that ``FAMILIES`` lacks.
    """
    member = FAMILIES[family]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _BUILDERS[member.builder](member.arguments)
    return network.eval()


def architecture(family: str) -> tuple[str, dict[str, Any]]:
    """Builder and arguments that the weights of a family fit, whatever its skips."""
    member = FAMILIES[family]
    own = {key: value for key, value in member.arguments.items() if key != "skip_free"}
    return member.builder, own


def _vit(arguments: dict[str, Any]) -> nn.Module:
    """A ViT; ``skip_free`` among the arguments is the number of the block without skips."""
    own = dict(arguments)
    skip_free = own.pop("skip_free", None)
    network = VisionTransformer(img_size=SIZE, in_chans=1, num_classes=CLASSES, **own)
    if skip_free is not None:
        without_skips(network, skip_free)
    return network


def _mixer(arguments: dict[str, Any]) -> nn.Module:
    ratio = tuple(arguments["mlp_ratio"])
    return MlpMixer(
        img_size=SIZE, in_chans=1, num_classes=CLASSES, **(arguments | {"mlp_ratio": ratio})
    )


def _resnet(arguments: dict[str, Any]) -> nn.Module:
    """A ResNet with a 3 x 3 stem and no pooling: stages at 28, 14, 7 and 4 pixels."""
    stem = int(arguments["stem"])
    network = ResNet(
        BasicBlock,  # type: ignore[arg-type]
        tuple(arguments["layers"]),
        num_classes=CLASSES,
        in_chans=1,
        channels=tuple(arguments["channels"]),
        stem_type="deep",
        stem_width=stem // 2,
        # Branches that start at zero would be constant in the untrained baseline.
        zero_init_last=False,
    )
    first = nn.Conv2d(1, stem, kernel_size=3, padding=1, bias=False)
    nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
    network.add_module("conv1", first)
    network.add_module("maxpool", nn.Identity())
    return network


_BUILDERS = {"vit": _vit, "mixer": _mixer, "resnet": _resnet}
