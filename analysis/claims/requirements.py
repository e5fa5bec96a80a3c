"""Requirements of claims: a kind of network, labels, a second image set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Facts of a network from the survey: ``ModelPlan.facts``.
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class AvailableModels:
    """Models and images of a study, as requirements read them.

    Attributes:
        models: Facts of the trained models, in the study's order.
        labels: Whether the images have labels.
        second: Whether there is a second image set with labels.
    """

    models: Mapping[str, Facts]
    labels: bool = False
    second: bool = False

    def where(self, kind: Callable[[Facts], bool]) -> list[str]:
        """List the models of a ``kind``, in the study's order."""
        return [name for name, facts in self.models.items() if kind(facts)]


def available(facts: Mapping[str, Facts]) -> AvailableModels:
    """Choose the trained networks of a study, or all where none is trained."""
    trained = {name: own for name, own in facts.items() if own.get("trained")}
    return AvailableModels(trained or facts)


@dataclass(frozen=True)
class Requirement:
    """A requirement of a claim; ``remedy`` says what to add where it is not ``met``."""

    name: str
    remedy: str
    met: Callable[[AvailableModels], bool]


def is_unmodified(facts: Facts) -> bool:
    """Whether a network is unmodified: all data, all skips, not fine-tuned."""
    return (
        facts.get("skip_free") is None and not trained_on_part(facts) and not is_fine_tuned(facts)
    )


def trained_on_part(facts: Facts) -> bool:
    """Whether a network was trained on part of the data."""
    return facts.get("origin", {}).get("fraction") not in (None, 1.0)


def is_fine_tuned(facts: Facts) -> bool:
    """Whether a network was fine-tuned from another one's weights."""
    return facts.get("origin", {}).get("start") is not None


def is_pooled(facts: Facts) -> bool:
    """Whether a network classifies by the average of its tokens."""
    return facts.get("pooling") == "GAP"


def is_of_family(family: str) -> Callable[[Facts], bool]:
    """Make a test for unmodified networks of a family, for ViTs those with a class token."""
    return lambda facts: (
        facts["family"] == family
        and is_unmodified(facts)
        and not (family == "vit" and is_pooled(facts))
    )


def _pooled_vit(facts: Facts) -> bool:
    return facts["family"] == "vit" and is_unmodified(facts) and is_pooled(facts)


def _any(kind: Callable[[Facts], bool]) -> Callable[[AvailableModels], bool]:
    return lambda available: bool(available.where(kind))


VIT = Requirement("a ViT", "a trained ViT, such as {zoo: vit}", _any(is_of_family("vit")))
RESNET = Requirement(
    "a ResNet", "a trained ResNet, such as {zoo: resnet}", _any(is_of_family("resnet"))
)
MIXER = Requirement(
    "an MLP-Mixer", "a trained MLP-Mixer, such as {zoo: mixer}", _any(is_of_family("mixer"))
)
CLASS_TOKEN = Requirement(
    "a ViT with a class token",
    "a trained ViT classified by a class token, such as {zoo: vit}",
    _any(is_of_family("vit")),
)
POOLED = Requirement(
    "a ViT classified by average pooling",
    "a trained ViT classified by average pooling, such as {zoo: vit-gap}",
    _any(_pooled_vit),
)
FRACTION = Requirement(
    "a ViT trained on part of the data",
    "the same ViT trained on a fraction of the data, such as {zoo: vit-10-percent}",
    _any(lambda facts: facts["family"] == "vit" and trained_on_part(facts)),
)
SKIP_FREE = Requirement(
    "a ViT trained without the skips of one block",
    "a ViT trained without the skips of one block, such as {zoo: vit-skip-free-4}",
    _any(lambda facts: facts.get("skip_free") is not None),
)
FINE_TUNED = Requirement(
    "a network fine-tuned from another one",
    "a network and what it was fine-tuned to, such as {zoo: vit} and {zoo: vit-digits}",
    _any(is_fine_tuned),
)
LABELS = Requirement(
    "images with labels, enough of every class",
    "images with labels, such as `sample` or a folder with one folder per class",
    lambda available: available.labels,
)
SECOND_IMAGES = Requirement(
    "a second image set with labels",
    "a second image set with labels to transfer to",
    lambda available: available.second,
)


def missing_requirements(requirements: Sequence[Requirement], available: AvailableModels) -> str:
    """Say in a sentence or two why a claim is undecided in a study, and the remedy.

    Args:
        requirements: Everything that the claim requires.
        available: The models and images of the study.

    Returns:
        The requirements that are not met, with a remedy for each. Where all are met, the numbers
        are missing: a model lacks the part, or it failed.
    """
    unmet = [one for one in requirements if not one.met(available)]
    if not unmet:
        return "There are models for it, but not the numbers: the section or a warning says why."
    names = " and ".join(one.name for one in unmet)
    return f"The study lacks {names}. Remedy: add {'; '.join(one.remedy for one in unmet)}."
