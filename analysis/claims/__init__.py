"""The claims of the study, what each needs, and the one rule that turns numbers into verdicts."""

from analysis.claims.catalogue import CLAIMS, Claim, claim
from analysis.claims.verdicts import RELATION, RULE, VERDICTS, Verdict, tally, verdict

__all__ = [
    "CLAIMS",
    "RELATION",
    "RULE",
    "VERDICTS",
    "Claim",
    "Verdict",
    "claim",
    "tally",
    "verdict",
]
