"""Claims on attention, receptive fields, skip connections and tokens: E3 to E6, E8, E9.

Raghu et al. (2021), "Do Vision Transformers See Like Convolutional Neural Networks?".
"""

from seelike.analysis.claims.catalogue.definition import Claim
from seelike.analysis.claims.requirements import (
    CLASS_TOKEN,
    FRACTION,
    POOLED,
    RESNET,
    VIT,
)

PATCHES = "patches"
SHARE = "of the share"
NORMS = "of the log of the norm ratio"
# Reasons for a smallest difference.
HALF_A_PATCH = "less than half a patch is no distance between patches"
TENTH = "a tenth of the norm: less is not visible in the paper's figure"
OF_TOKENS = "one token in ten: less is not visible in a map of tokens"

CLAIMS = (
    Claim(
        "E3-local",
        "The lowest blocks of a ViT have local heads.",
        (VIT,),
        0.5,
        PATCHES,
        HALF_A_PATCH,
    ),
    Claim(
        "E3-highest",
        "The highest blocks of a ViT have no heads as local as the lowest.",
        (VIT,),
        0.5,
        PATCHES,
        HALF_A_PATCH,
    ),
    Claim(
        "E3-apart",
        "The heads of a ViT's lowest blocks differ more from each other than those of its highest.",
        (VIT,),
        0.25,
        PATCHES,
        "a standard deviation of a quarter of a patch: the most local and the most global head "
        "are then half a patch to a patch apart",
    ),
    Claim(
        "E3-data",
        "A ViT trained on little data lacks the local heads of one trained on all of it.",
        (VIT, FRACTION),
        0.5,
        PATCHES,
        HALF_A_PATCH,
    ),
    Claim(
        "E4-falls",
        "The more global the heads of a ViT's first block, the less similar they are to the "
        "lowest layers of a ResNet.",
        (VIT, RESNET),
        0.0,
        "of the correlation",
        "the limit of -0.8 is itself what has to be passed",
    ),
    Claim(
        "E5-centre",
        "A ViT's receptive fields are far more centred after the residual sum than before it.",
        (VIT,),
        0.1,
        SHARE,
        "the paper says far: a tenth of the whole gradient",
    ),
    Claim(
        "E5-early",
        "A ViT's receptive fields are global early; a ResNet's grow gradually.",
        (VIT, RESNET),
        0.1,
        "of the radius of a field spread evenly over the image",
        "a tenth of the image: less is not seen in pictures of fields",
    ),
    Claim(
        "E6-token",
        "A ViT's class token passes through skips more in the first half of the blocks than "
        "in the second.",
        (CLASS_TOKEN,),
        0.1,
        NORMS,
        TENTH,
    ),
    Claim(
        "E6-patches",
        "A ViT's patch tokens pass through skips more in the second half of the blocks than "
        "in the first.",
        (CLASS_TOKEN,),
        0.1,
        NORMS,
        TENTH,
    ),
    Claim(
        "E6-crossing",
        "The norm ratios of class token and patch tokens cross: the class token's is larger "
        "in the first half of a ViT, the patch tokens' in the second.",
        (CLASS_TOKEN,),
        0.1,
        NORMS,
        TENTH,
    ),
    Claim(
        "E6-resnet",
        "Skips carry more in a ViT than in a ResNet.",
        (VIT, RESNET),
        0.1,
        NORMS,
        TENTH,
    ),
    Claim(
        "E8-own",
        "A ViT's last tokens are most similar to the input patch at their own place.",
        (CLASS_TOKEN,),
        0.1,
        SHARE,
        OF_TOKENS,
    ),
    Claim(
        "E8-resnet",
        "Locations of a ResNet's last stage are localized less than a ViT's last tokens.",
        (CLASS_TOKEN, RESNET),
        0.1,
        SHARE,
        OF_TOKENS,
    ),
    Claim(
        "E9-pooled",
        "A ViT classified by average pooling localizes less than one with a class token.",
        (CLASS_TOKEN, POOLED),
        0.1,
        SHARE,
        OF_TOKENS,
    ),
)
