"""Which of a study's models play the parts of the claims: found from facts, never by name."""

from seelike.analysis.claims.requirements import (
    AvailableModels,
    is_of_family,
    is_pooled,
    trained_on_part,
)

FAMILIES = ("vit", "resnet", "mixer")


def role_assignments(available: AvailableModels) -> list[list[str]]:
    """The models that the claims on families are put to: the first of each, then the second, ...

    A family with fewer models than another keeps its last. Second seeds and sizes make further
    casts. Empty where the study has none of the three families.
    """
    each = [models for models in (available.where(is_of_family(f)) for f in FAMILIES) if models]
    count = max((len(models) for models in each), default=0)
    return [[models[min(k, len(models) - 1)] for models in each] for k in range(count)]


def fractions(available: AvailableModels, family: str) -> list[str]:
    """The models of ``family`` that were trained on part of the data."""
    return available.where(lambda facts: facts["family"] == family and trained_on_part(facts))


def pooling(available: AvailableModels) -> list[str]:
    """The ViTs classified by the average of their tokens."""
    return available.where(lambda facts: facts["family"] == "vit" and is_pooled(facts))
