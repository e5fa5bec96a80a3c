"""Why a claim can't be told of a study, and what would settle it."""

from seelike.analysis.claims.catalogue import Claim
from seelike.analysis.claims.requirements import Available


def unsettled(claim: Claim, available: Available) -> str:
    """What of its needs the study lacks, and what would settle it, in a sentence or two.

    Where nothing is lacking the numbers themselves are: a model without the part, or one that
    failed.
    """
    lacking = [need for need in claim.needs if not need.met(available)]
    if not lacking:
        return "There are models for it, but not the numbers: the section or a warning says why."
    names = " and ".join(need.name for need in lacking)
    settle = "; ".join(need.settle for need in lacking)
    return f"The study lacks {names}. What would settle it: {settle}."
