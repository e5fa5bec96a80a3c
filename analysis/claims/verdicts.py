"""The one rule that turns the numbers of a claim into a verdict, the same for all claims.

A claim says that one number lies above another. It holds where the whole interval of their
difference is above zero, does not hold where the whole interval is below, and can't be told
where the interval holds zero, where there is none, or where what it needs is missing.
"""

from collections.abc import Iterable
from typing import Literal

from analysis.similarity.intervals import Estimate

Verdict = Literal["holds", "does not hold", "can't tell"]
VERDICTS: tuple[Verdict, ...] = ("holds", "does not hold", "can't tell")
# The same rule, for readers of a report.
RULE = (
    "A claim holds where the whole 95 % interval of the difference lies on the study's side of "
    "zero, does not hold where it lies on the other, and can't be told where the interval holds "
    "zero, or where what the claim needs is missing. The intervals come from resampling the "
    "images: they tell how much the choice of images matters, not how much another training run "
    "would."
)
# How the first number of a claim lies to the second, by verdict.
RELATION: dict[Verdict, str] = {
    "holds": "above",
    "does not hold": "below",
    "can't tell": "not told apart from",
}
_COUNTED: dict[Verdict, tuple[str, str]] = {
    "holds": ("1 holds", "{} hold"),
    "does not hold": ("1 does not hold", "{} do not hold"),
    "can't tell": ("1 can't be told", "{} can't be told"),
}


def verdict(difference: Estimate) -> Verdict:
    """What the ``difference`` of a claim's two numbers says, by the rule above."""
    low, high = difference.low, difference.high
    if low is None or high is None or low <= 0 <= high:
        return "can't tell"
    return "holds" if low > 0 else "does not hold"


def tally(verdicts: Iterable[Verdict]) -> str:
    """How many claims have which verdict, as a sentence lists them: ``3 hold, 1 can't be told``."""
    given = list(verdicts)
    told = []
    for each in VERDICTS:
        count = given.count(each)
        if count:
            one, many = _COUNTED[each]
            told.append(one if count == 1 else many.format(count))
    return ", ".join(told)
