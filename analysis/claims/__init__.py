"""The claims of the study, what each needs, and the one rule that turns numbers into verdicts."""

from seelike.analysis.claims.catalogue import CLAIMS, Claim, claim
from seelike.analysis.claims.verdicts import RULE, VERDICTS, Sign, Verdict, chance_words, tally

__all__ = [
    "CLAIMS",
    "RULE",
    "VERDICTS",
    "Claim",
    "Sign",
    "Verdict",
    "chance_words",
    "claim",
    "tally",
]
