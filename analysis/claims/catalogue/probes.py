"""Claims on linear probes: E10, E12.

Raghu et al. (2021), "Do Vision Transformers See Like Convolutional Neural Networks?".
"""

from seelike.analysis.claims.catalogue.definition import Claim
from seelike.analysis.claims.requirements import (
    CLASS_TOKEN,
    FRACTION,
    LABELS,
    POOLED,
    RESNET,
    SECOND_IMAGES,
    VIT,
)

ACCURACY = "of accuracy"
# Reasons for a smallest difference.
POINTS = "two points: as much as two draws of ten training images per class differ"

CLAIMS = (
    Claim(
        "E10-pooled",
        "Single last tokens of a ViT classified by average pooling probe better than the spatial "
        "tokens of one with a class token.",
        (CLASS_TOKEN, POOLED, LABELS),
        0.02,
        ACCURACY,
        POINTS,
    ),
    Claim(
        "E10-token",
        "The last spatial tokens of a ViT with a class token probe worse than its class token.",
        (CLASS_TOKEN, LABELS),
        0.02,
        ACCURACY,
        POINTS,
    ),
    Claim(
        "E12-middle",
        "More training data helps the middle layers of a ViT most.",
        (VIT, FRACTION, LABELS),
        0.02,
        ACCURACY,
        POINTS,
    ),
    Claim(
        "E12-resnet",
        "The middle layers of a ViT probe better than a ResNet's.",
        (VIT, RESNET, LABELS),
        0.02,
        ACCURACY,
        POINTS,
    ),
    Claim(
        "E12-transfer",
        "On another image set too, the middle layers of a ViT probe better than a ResNet's.",
        (VIT, RESNET, SECOND_IMAGES),
        0.02,
        ACCURACY,
        POINTS,
    ),
)
