"""Roles of a study's models in the claims, assigned by facts, never by name."""

from seelike.analysis.claims.requirements import (
    AvailableModels,
    is_of_family,
    is_pooled,
    trained_on_part,
)

FAMILIES = ("vit", "resnet", "mixer")


def role_assignments(available: AvailableModels) -> list[list[str]]:
    """Assign models to the roles of the claims on families.

    Args:
        available: Models of the study.

    Returns:
        Lists of one model per family: the first model of each family, then the second (another
        seed or size), and so on; a family with fewer models repeats its last. Empty without the
        three families.
    """
    each = [models for models in (available.where(is_of_family(f)) for f in FAMILIES) if models]
    count = max((len(models) for models in each), default=0)
    return [[models[min(k, len(models) - 1)] for models in each] for k in range(count)]


def fractions(available: AvailableModels, family: str) -> list[str]:
    """List the models of ``family`` that were trained on part of the data."""
    return available.where(lambda facts: facts["family"] == family and trained_on_part(facts))


def pooling(available: AvailableModels) -> list[str]:
    """List the ViTs with average pooling."""
    return available.where(lambda facts: facts["family"] == "vit" and is_pooled(facts))
