"""Claims on similarity between layers: E1, E2, E7, E11, E13, E14.

Raghu et al. (2021), "Do Vision Transformers See Like Convolutional Neural Networks?".
"""

from seelike.analysis.claims.catalogue.definition import Claim
from seelike.analysis.claims.requirements import (
    FINE_TUNED,
    FRACTION,
    MIXER,
    RESNET,
    SKIP_FREE,
    VIT,
)

CKA = "of CKA"
ACCURACY = "of accuracy"
# Reasons for a smallest difference.
VISIBLE = "less is not visible between two colours of a heatmap, and two seeds differ by as much"
MUCH = "the paper says far, or much: twice what counts as a difference elsewhere"
MATCHED = "neighbouring layers are similar, so that a best match wins by little"

CLAIMS = (
    Claim(
        "E1-ends",
        "The lowest layers of a ViT are much more similar to its highest layers than in a ResNet.",
        (VIT, RESNET),
        0.1,
        CKA,
        MUCH,
    ),
    Claim(
        "E1-lowest",
        "Even the least similar layers of a ViT are more similar than those of a ResNet.",
        (VIT, RESNET),
        0.05,
        CKA,
        VISIBLE,
    ),
    Claim(
        "E1-stages",
        "The layers of a ResNet fall into stages, beyond a smooth fall of similarity with depth.",
        (RESNET,),
        0.05,
        CKA,
        VISIBLE,
    ),
    Claim(
        "E1-grid",
        "In a ViT, neighbours along the residual stream are more similar than the stream and "
        "a branch, which makes the fine grid in its heatmap.",
        (VIT,),
        0.05,
        CKA,
        VISIBLE,
    ),
    Claim(
        "E2-lower-half",
        "The lower half of a ResNet's layers matches best the lowest quarter of a ViT's.",
        (VIT, RESNET),
        0.02,
        CKA,
        MATCHED,
    ),
    Claim(
        "E2-last-third",
        "The last third of a ViT resembles no layer of a ResNet.",
        (VIT, RESNET),
        0.05,
        CKA,
        "the best CKA has to stay clearly below one half, up to which the paper's figure shows "
        "no resemblance",
    ),
    Claim(
        "E2-mixer",
        "An MLP-Mixer is closer to a ViT than to a ResNet.",
        (VIT, RESNET, MIXER),
        0.05,
        CKA,
        VISIBLE,
        agree=True,
    ),
    Claim(
        "E7-collapse",
        "Training a ViT without the skips of one block makes the layers below it far less "
        "similar to the layers above it.",
        (VIT, SKIP_FREE),
        0.1,
        CKA,
        MUCH,
    ),
    Claim(
        "E7-accuracy",
        "Training a ViT without the skips of one block makes it less accurate.",
        (VIT, SKIP_FREE),
        0.01,
        ACCURACY,
        "a point: two seeds of one network differ by less",
    ),
    Claim(
        "E11-lower",
        "Training a ViT on part of the data changes its lower layers less than its higher ones.",
        (VIT, FRACTION),
        0.05,
        CKA,
        VISIBLE,
    ),
    Claim(
        "E13-preserved",
        "Fine-tuning keeps a ViT's first blocks more than its last.",
        (FINE_TUNED,),
        0.05,
        CKA,
        VISIBLE,
    ),
    Claim(
        "E14-blocks",
        "The layers of an MLP-Mixer fall into two blocks, beyond a smooth fall of similarity "
        "with depth.",
        (MIXER,),
        0.05,
        CKA,
        VISIBLE,
    ),
)
