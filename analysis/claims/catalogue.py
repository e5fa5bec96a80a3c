"""All claims of the study, E1 to E14: one sentence each, and what a study needs to test it.

Raghu et al. (2021), "Do Vision Transformers See Like Convolutional Neural Networks?".
"""

from dataclasses import dataclass
from difflib import get_close_matches

from analysis.claims.needs import (
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
    Need,
)


@dataclass(frozen=True)
class Claim:
    """A sentence of the study, found by its ``id``, and what it ``needs``.

    ``also`` is the id of another claim that tests the same sentence by other numbers.
    """

    id: str
    sentence: str
    needs: tuple[Need, ...]
    also: str = ""

    @property
    def experiment(self) -> str:
        """Which experiment it belongs to: E1 to E14."""
        return self.id.partition("-")[0]


CLAIMS = (
    Claim(
        "E1-ends",
        "The lowest and the highest layers of a ViT are much more alike than a ResNet's.",
        (VIT, RESNET),
    ),
    Claim(
        "E1-lowest",
        "Even the two least similar layers of a ViT are more alike than those of a ResNet.",
        (VIT, RESNET),
    ),
    Claim("E1-stages", "The layers of a ResNet fall into stages.", (RESNET,)),
    Claim(
        "E1-grid",
        "The fine grid in a ViT's heatmap comes from mixing the residual stream with branches: "
        "along the stream neighbours are more alike than a branch and the stream beside it.",
        (VIT,),
    ),
    Claim(
        "E2-lower-half",
        "The lower half of a ResNet's layers matches best the lowest quarter of a ViT's.",
        (VIT, RESNET),
    ),
    Claim(
        "E2-last-third",
        "The last third of a ViT resembles no layer of a ResNet.",
        (VIT, RESNET),
    ),
    Claim(
        "E2-mixer",
        "An MLP-Mixer is closer to a ViT than to a ResNet.",
        (VIT, RESNET, MIXER),
        also="E14-closer",
    ),
    Claim("E3-local", "The lowest blocks of a ViT have local heads.", (VIT,)),
    Claim("E3-highest", "The highest blocks have no heads as local as the lowest.", (VIT,)),
    Claim(
        "E3-apart",
        "The heads of the lowest blocks differ more from each other than those of the highest.",
        (VIT,),
    ),
    Claim(
        "E3-data",
        "A ViT trained on little data lacks the local heads of one trained on all of it.",
        (VIT, FRACTION),
    ),
    Claim(
        "E4-falls",
        "The more global the heads of a ViT's first block, the less alike they and the lowest "
        "layers of a ResNet are.",
        (VIT, RESNET),
    ),
    Claim(
        "E5-centre",
        "After the residual sum a ViT's fields have a dominant centre patch, before it "
        "attention is far less centred.",
        (VIT,),
    ),
    Claim("E5-early", "A ViT's fields are global early, a ResNet's grow gradually.", (VIT, RESNET)),
    Claim(
        "E6-token",
        "Skips carry a ViT's class token through the first half, then branches take over.",
        (CLASS_TOKEN,),
    ),
    Claim(
        "E6-patches",
        "With a ViT's patches it is the reverse: branches first, then skips.",
        (CLASS_TOKEN,),
    ),
    Claim("E6-resnet", "Skips carry more in a ViT than in a ResNet.", (VIT, RESNET)),
    Claim(
        "E7-collapse",
        "In a ViT trained without the skips of one block, layers below it are far less like "
        "layers above it than in one with all skips.",
        (VIT, SKIP_FREE),
    ),
    Claim(
        "E7-accuracy",
        "A ViT trained without the skips of one block is less accurate.",
        (VIT, SKIP_FREE),
    ),
    Claim(
        "E8-own",
        "A ViT's last tokens are most like the input patch at their own place.",
        (CLASS_TOKEN,),
    ),
    Claim(
        "E8-resnet",
        "Places of a ResNet's last stage are localized less than a ViT's last tokens.",
        (CLASS_TOKEN, RESNET),
    ),
    Claim(
        "E9-pooled",
        "A ViT that is classified by average pooling localizes less than one with a class token.",
        (CLASS_TOKEN, POOLED),
    ),
    Claim(
        "E10-pooled",
        "Single last tokens of a ViT classified by average pooling probe better than the spatial "
        "tokens of one with a class token.",
        (CLASS_TOKEN, POOLED, LABELS),
    ),
    Claim(
        "E10-token",
        "The last spatial tokens of a ViT with a class token probe worse than its class token.",
        (CLASS_TOKEN, LABELS),
    ),
    Claim(
        "E11-lower",
        "Between a ViT trained on part of the data and one trained on all of it, lower layers "
        "stay more alike than higher ones.",
        (VIT, FRACTION),
    ),
    Claim(
        "E12-middle",
        "More training data helps the middle layers of a ViT most.",
        (VIT, FRACTION, LABELS),
    ),
    Claim(
        "E12-resnet",
        "The middle layers of a ViT probe better than a ResNet's.",
        (VIT, RESNET, LABELS),
    ),
    Claim(
        "E12-transfer",
        "On another image set too, the middle layers of a ViT probe better than a ResNet's.",
        (VIT, RESNET, SECOND_IMAGES),
    ),
    Claim(
        "E13-preserved",
        "Fine-tuning keeps a ViT's first blocks more than its last.",
        (FINE_TUNED,),
    ),
    Claim("E14-blocks", "The layers of an MLP-Mixer fall into two blocks.", (MIXER,)),
    Claim(
        "E14-closer",
        "An MLP-Mixer is closer to a ViT than to a ResNet.",
        (VIT, RESNET, MIXER),
        also="E2-mixer",
    ),
)
_BY_ID = {one.id: one for one in CLAIMS}


def claim(id: str) -> Claim:
    """The claim of that id; ``KeyError`` that offers the nearest where there is none."""
    if id not in _BY_ID:
        near = get_close_matches(id, _BY_ID, n=1, cutoff=0)[0]
        raise KeyError(f"no claim {id!r} in analysis/claims/catalogue.py; nearest: {near!r}")
    return _BY_ID[id]
