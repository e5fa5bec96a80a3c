"""The family of a network, its builder's arguments, and its pooling."""

from typing import Any

from timm.models.mlp_mixer import MlpMixer
from timm.models.resnet import ResNet
from timm.models.resnetv2 import ResNetV2
from timm.models.vision_transformer import VisionTransformer

from seelike.analysis.networks.loading import zoo
from seelike.analysis.networks.network import Network

FAMILIES = {"vit": (VisionTransformer,), "resnet": (ResNet, ResNetV2), "mixer": (MlpMixer,)}
# A study's words for timm's 'token' and 'avg'.
POOLINGS = {"token": "CLS", "avg": "GAP"}


def family(network: Network) -> str:
    """'vit', 'resnet' or 'mixer'; the name of its class for a network of another family."""
    for name, classes in FAMILIES.items():
        if isinstance(network.module, classes):
            return name
    return type(network.module).__name__


def built(network: Network) -> dict[str, Any]:
    """Describe how a network was built, writable as JSON.

    Returns:
        ``from``, the name of its builder, and ``arguments``. Members of the zoo that differ in one
        argument have the same builder.
    """
    name = network.architecture.removeprefix("zoo/")
    if name == network.architecture:
        return {"from": name, "arguments": dict(network.arguments)}
    member = zoo.FAMILIES[name]
    return {"from": f"zoo/{member.builder}", "arguments": dict(member.arguments)}


def pooling(network: Network) -> str | None:
    """The features it classifies: 'CLS', 'GAP' or timm's word; None if it does not say."""
    for holder in (network.module, getattr(network.module, "head", None)):
        pool = getattr(holder, "global_pool", None)
        word = getattr(pool, "pool_type", pool)
        if isinstance(word, str) and word:
            return POOLINGS.get(word, word)
    return None
