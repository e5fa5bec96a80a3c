"""Rule that turns the numbers of a claim into a verdict, the same for all claims.

A claim says that one number is above another by more than the smallest difference that matters, m.
For one network it holds where the whole 95 % interval of the difference is above m, does not hold
where it is below m, and is undecided otherwise.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from seelike.analysis.similarity.intervals.estimate import Estimate

Sign = Literal["holds", "does not hold", "can't tell"]
Verdict = Literal[
    "holds", "holds before training too", "does not hold", "seeds disagree", "can't tell"
]
VERDICTS: tuple[Verdict, ...] = (
    "holds",
    "holds before training too",
    "does not hold",
    "seeds disagree",
    "can't tell",
)
# The same rule, for readers of a report.
RULE = (
    "A claim says that one number lies above another by more than the smallest difference that "
    "matters, m, which the catalogue of claims states with its reason. It holds where the whole "
    "95 % interval of the difference is above m, does not hold where it is below m, and is "
    "undecided otherwise, or where a model or number that it needs is missing. Networks that "
    "differ in their seed only get a verdict each; where these differ, seeds disagree. Where the "
    "untrained baselines show as much (the interval of trained minus untrained is not above zero; "
    "with several numbers, for none of them, or one is below by more than m), the claim holds "
    "before training too: it is about the architecture, not about learning. "
    "Intervals are delete-one-batch jackknives with Student's t: they cover the choice of images, "
    "not another training run."
)
_COUNTED: dict[Verdict, tuple[str, str]] = {
    "holds": ("1 holds", "{} hold"),
    "holds before training too": ("1 holds before training too", "{} hold before training too"),
    "does not hold": ("1 does not hold", "{} do not hold"),
    "seeds disagree": ("seeds disagree on 1", "seeds disagree on {}"),
    "can't tell": ("1 undecided", "{} undecided"),
}
# Share of intervals that decide by chance when the difference is exactly at its limit.
BY_CHANCE = 0.05


def sign(difference: Estimate, *, least: float) -> Sign:
    """Compare the interval of a difference with ``least``, the smallest that matters."""
    low, high = difference.low, difference.high
    if low is None or high is None or low <= least <= high:
        return "can't tell"
    return "holds" if low > least else "does not hold"


def together(signs: Sequence[Sign], *, agree: bool) -> Sign:
    """Combine the signs of a claim with several numbers.

    Args:
        signs: Sign of each number. All have to hold; one that does not is enough to reject the
            claim.
        agree: Whether the numbers are alternatives for one statement, which have to agree.
    """
    if signs and len(set(signs)) == 1:
        return signs[0]
    return "does not hold" if "does not hold" in signs and not agree else "can't tell"


def over_seeds(verdicts: Sequence[Verdict]) -> Verdict:
    """Combine the verdicts of networks that differ in their seed only."""
    if len(set(verdicts)) == 1:
        return verdicts[0]
    return "seeds disagree" if verdicts else "can't tell"


def tally(verdicts: Iterable[Verdict]) -> str:
    """Count claims by verdict, in words: ``3 hold, 1 undecided``."""
    given = list(verdicts)
    counts = [(given.count(each), *_COUNTED[each]) for each in VERDICTS]
    return ", ".join(one if n == 1 else many.format(n) for n, one, many in counts if n)


def chance_words(verdicts: Sequence[Verdict]) -> str:
    """Sentence on how many verdicts chance alone would explain; empty without verdicts."""
    if not verdicts:
        return ""
    expected = BY_CHANCE * len(verdicts)
    return (
        f"If every one of these {len(verdicts)} differences lay exactly at its limit, chance alone "
        f"would decide about {expected:.1f} of them."
    )
