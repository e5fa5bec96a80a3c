"""Which of the study's three families a network belongs to."""

from timm.models.mlp_mixer import MlpMixer
from timm.models.resnet import ResNet
from timm.models.resnetv2 import ResNetV2
from timm.models.vision_transformer import VisionTransformer

from analysis.networks.network import Network

FAMILIES = {"vit": (VisionTransformer,), "resnet": (ResNet, ResNetV2), "mixer": (MlpMixer,)}


def family(network: Network) -> str:
    """'vit', 'resnet' or 'mixer'; the name of its class for a network of another family."""
    for name, classes in FAMILIES.items():
        if isinstance(network.module, classes):
            return name
    return type(network.module).__name__
