"""What kind of network one is: its family, what it was built from, how it pools."""

from typing import Any

from timm.models.mlp_mixer import MlpMixer
from timm.models.resnet import ResNet
from timm.models.resnetv2 import ResNetV2
from timm.models.vision_transformer import VisionTransformer

from seelike.analysis.networks.loading import zoo
from seelike.analysis.networks.network import Network

FAMILIES = {"vit": (VisionTransformer,), "resnet": (ResNet, ResNetV2), "mixer": (MlpMixer,)}
# As the study calls what timm calls a token and an average.
POOLINGS = {"token": "CLS", "avg": "GAP"}


def family(network: Network) -> str:
    """'vit', 'resnet' or 'mixer'; the name of its class for a network of another family."""
    for name, classes in FAMILIES.items():
        if isinstance(network.module, classes):
            return name
    return type(network.module).__name__


def built(network: Network) -> dict[str, Any]:
    """What it was built ``from`` and with which ``arguments``, writable as JSON.

    Networks that differ in one argument alone are told by it: in the zoo they are families.
    """
    name = network.architecture.removeprefix("zoo/")
    if name == network.architecture:
        return {"from": name, "arguments": dict(network.arguments)}
    member = zoo.FAMILIES[name]
    return {"from": f"zoo/{member.builder}", "arguments": dict(member.arguments)}


def pooling(network: Network) -> str | None:
    """Which features it classifies: 'CLS', 'GAP', or timm's word; None where it does not say."""
    for holder in (network.module, getattr(network.module, "head", None)):
        pool = getattr(holder, "global_pool", None)
        word = getattr(pool, "pool_type", pool)
        if isinstance(word, str) and word:
            return POOLINGS.get(word, word)
    return None
