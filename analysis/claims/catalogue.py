"""All claims of the study, E1 to E14: one sentence each, and what a study needs to test it.

Raghu et al. (2021), "Do Vision Transformers See Like Convolutional Neural Networks?".
"""

from dataclasses import dataclass
from difflib import get_close_matches

from seelike.analysis.claims.requirements import (
    CLASS_TOKEN,
    FINE_TUNED,
    FRACTION,
    LABELS,
    MIXER,
    POOLED,
    RESNET,
    SECOND_IMAGES,
    SKIP_FREE,
    VIT,
    Requirement,
)


@dataclass(frozen=True)
class Claim:
    """A sentence of the study, its ``id``, and the ``requirements`` of a test of it.

    ``least`` is the smallest difference that matters, in ``unit``, and ``reason`` why: stated
    here, before anything is measured. Numbers of a claim that have to ``agree`` are two ways to
    say the same; else all of them have to hold.
    """

    id: str
    sentence: str
    requirements: tuple[Requirement, ...]
    least: float
    unit: str
    reason: str
    agree: bool = False

    @property
    def experiment(self) -> str:
        """Which experiment it belongs to: E1 to E14."""
        return self.id.partition("-")[0]


CKA, PATCHES, SHARE, NORMS = "of CKA", "patches", "of the share", "of the log of the norm ratio"
ACCURACY = "of accuracy"
SEEN = "less is not seen between two colours of a heatmap, and two seeds differ by as much"
MUCH = "the paper says far, or much: twice what counts as a difference elsewhere"
MATCHED = "layers beside each other are alike, so that a best match wins by little"
HALF_A_PATCH = "less than half a patch is no distance between patches"
TENTH = "a tenth of the norm: less is not seen in the paper's figure"
POINTS = "two points: as much as two draws of ten training images a class differ"
OF_TOKENS = "one token in ten: less is not seen in a map of tokens"

CLAIMS = (
    Claim(
        "E1-ends",
        "The lowest and the highest layers of a ViT are much more alike than a ResNet's.",
        (VIT, RESNET),
        0.1,
        CKA,
        MUCH,
    ),
    Claim(
        "E1-lowest",
        "Even the least similar layers of a ViT are more alike than those of a ResNet.",
        (VIT, RESNET),
        0.05,
        CKA,
        SEEN,
    ),
    Claim(
        "E1-stages",
        "The layers of a ResNet fall into stages, beyond what similarity that falls smoothly with "
        "depth gives.",
        (RESNET,),
        0.05,
        CKA,
        SEEN,
    ),
    Claim(
        "E1-grid",
        "The fine grid in a ViT's heatmap comes from mixing the residual stream with branches: "
        "along the stream neighbours are more alike than a branch and the stream beside it.",
        (VIT,),
        0.05,
        CKA,
        SEEN,
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
        SEEN,
        agree=True,
    ),
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
        "The highest blocks have no heads as local as the lowest.",
        (VIT,),
        0.5,
        PATCHES,
        HALF_A_PATCH,
    ),
    Claim(
        "E3-apart",
        "The heads of the lowest blocks differ more from each other than those of the highest.",
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
        "The more global the heads of a ViT's first block, the less alike they and the lowest "
        "layers of a ResNet are.",
        (VIT, RESNET),
        0.0,
        "of the correlation",
        "the limit of -0.8 is itself what has to be passed",
    ),
    Claim(
        "E5-centre",
        "After the residual sum a ViT's fields have a dominant centre patch, before it "
        "attention is far less centred.",
        (VIT,),
        0.1,
        SHARE,
        "the paper says far: a tenth of the whole gradient",
    ),
    Claim(
        "E5-early",
        "A ViT's fields are global early, a ResNet's grow gradually.",
        (VIT, RESNET),
        0.1,
        "of the radius of a field spread evenly over the image",
        "a tenth of the image: less is not seen in pictures of fields",
    ),
    Claim(
        "E6-token",
        "Skips carry a ViT's class token through the first half, then branches take over.",
        (CLASS_TOKEN,),
        0.1,
        NORMS,
        TENTH,
    ),
    Claim(
        "E6-patches",
        "With a ViT's patches it is the reverse: branches first, then skips.",
        (CLASS_TOKEN,),
        0.1,
        NORMS,
        TENTH,
    ),
    Claim(
        "E6-crossing",
        "The norm ratios of class token and patches cross: the class token's is the larger in the "
        "first half of a ViT, the patches' in the second.",
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
        "E7-collapse",
        "In a ViT trained without the skips of one block, layers below it are far less like "
        "layers above it than in one with all skips.",
        (VIT, SKIP_FREE),
        0.1,
        CKA,
        MUCH,
    ),
    Claim(
        "E7-accuracy",
        "A ViT trained without the skips of one block is less accurate.",
        (VIT, SKIP_FREE),
        0.01,
        ACCURACY,
        "a point: two seeds of one network differ by less",
    ),
    Claim(
        "E8-own",
        "A ViT's last tokens are most like the input patch at their own place.",
        (CLASS_TOKEN,),
        0.1,
        SHARE,
        OF_TOKENS,
    ),
    Claim(
        "E8-resnet",
        "Places of a ResNet's last stage are localized less than a ViT's last tokens.",
        (CLASS_TOKEN, RESNET),
        0.1,
        SHARE,
        OF_TOKENS,
    ),
    Claim(
        "E9-pooled",
        "A ViT that is classified by average pooling localizes less than one with a class token.",
        (CLASS_TOKEN, POOLED),
        0.1,
        SHARE,
        OF_TOKENS,
    ),
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
        "E11-lower",
        "Between a ViT trained on part of the data and one trained on all of it, lower layers "
        "stay more alike than higher ones.",
        (VIT, FRACTION),
        0.05,
        CKA,
        SEEN,
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
    Claim(
        "E13-preserved",
        "Fine-tuning keeps a ViT's first blocks more than its last.",
        (FINE_TUNED,),
        0.05,
        CKA,
        SEEN,
    ),
    Claim(
        "E14-blocks",
        "The layers of an MLP-Mixer fall into two blocks, beyond what similarity that falls "
        "smoothly with depth gives.",
        (MIXER,),
        0.05,
        CKA,
        SEEN,
    ),
)
_BY_ID = {one.id: one for one in CLAIMS}


def claim(id: str) -> Claim:
    """The claim of that id; ``KeyError`` that offers the nearest where there is none."""
    if id not in _BY_ID:
        near = get_close_matches(id, _BY_ID, n=1, cutoff=0)[0]
        raise KeyError(f"no claim {id!r} in analysis/claims/catalogue.py; nearest: {near!r}")
    return _BY_ID[id]
