"""What claims need of a study: a kind of network, labels, a second image set."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    """One thing that has to be in a study, and what would bring it there: ``settle``."""

    name: str
    settle: str


VIT = Need("a ViT", "a trained ViT, such as {zoo: vit}")
RESNET = Need("a ResNet", "a trained ResNet, such as {zoo: resnet}")
MIXER = Need("an MLP-Mixer", "a trained MLP-Mixer, such as {zoo: mixer}")
CLASS_TOKEN = Need(
    "a ViT with a class token", "a trained ViT classified by a class token, such as {zoo: vit}"
)
POOLED = Need(
    "a ViT classified by average pooling",
    "a trained ViT classified by average pooling, such as {zoo: vit-gap}",
)
FRACTION = Need(
    "a ViT trained on part of the data",
    "the same ViT trained on a fraction of the data, such as {zoo: vit-10-percent}",
)
SKIP_FREE = Need(
    "a ViT trained without the skips of one block",
    "a ViT trained without the skips of one block, such as {zoo: vit-skip-free-4}",
)
FINE_TUNED = Need(
    "a network fine-tuned from another one",
    "a network of the study and what it was fine-tuned to, such as {zoo: vit} and "
    "{zoo: vit-digits}",
)
LABELS = Need(
    "images with labels",
    "images with labels, such as `sample` or a folder with one folder a class",
)
SECOND_IMAGES = Need(
    "a second image set with labels", "a second image set with labels to transfer to"
)
