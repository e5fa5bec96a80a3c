"""Evidence for a claim: numbers of trained and untrained networks, and verdicts."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from seelike.analysis.claims.catalogue import Claim, claim
from seelike.analysis.claims.verdicts import Sign, Verdict, over_seeds, sign, together
from seelike.analysis.similarity.intervals.estimate import Estimate
from seelike.analysis.similarity.intervals.jackknife import Jackknifed

# Largest factor of further images that a remedy asks for.
MOST_TIMES = 100


@dataclass(frozen=True)
class Measurement:
    """One side of a contrast: a label, a network's number, and that of its untrained baseline."""

    label: str
    own: Jackknifed
    untrained: Jackknifed | None = None


@dataclass(frozen=True)
class Contrast:
    """Statement that the ``first`` number is above the ``second`` by more than ``least``.

    Attributes:
        measure: Name of the measured quantity.
        first: Label and number of the first side.
        second: Label and number of the second side.
        difference: First less second number.
        least: The smallest difference that matters.
        untrained: The difference of the untrained baselines.
        learned: ``difference`` less ``untrained``.
        premise: Whether this is a condition of the claim, not a part of it.
    """

    measure: str
    first: tuple[str, Estimate]
    second: tuple[str, Estimate]
    difference: Estimate
    least: float
    untrained: Estimate | None = None
    learned: Estimate | None = None
    premise: bool = False

    @property
    def sign(self) -> Sign:
        """Verdict by the interval of the difference."""
        return sign(self.difference, least=self.least)


def contrast(
    measure: str, first: Measurement, second: Measurement, *, least: float, premise: bool = False
) -> Contrast:
    """Contrast two sides that were measured on the same images.

    Args:
        measure: Name of the measured quantity.
        first: The side that is claimed to be above.
        second: The other side.
        least: The smallest difference that matters.
        premise: Whether this is a condition of the claim, not a part of it.
    """
    difference = first.own - second.own
    untrained = learned = None
    if first.untrained is not None and second.untrained is not None:
        before = first.untrained - second.untrained
        untrained, learned = before.estimate, (difference - before).estimate
    return Contrast(
        measure,
        (first.label, first.own.estimate),
        (second.label, second.own.estimate),
        difference.estimate,
        least,
        untrained,
        learned,
        premise,
    )


@dataclass(frozen=True)
class Case:
    """A claim tested on ``networks``; ``obstacle`` says why they are too small for it."""

    id: str
    networks: tuple[str, ...]
    contrasts: tuple[Contrast, ...] = ()
    obstacle: str = ""

    @property
    def claim(self) -> Claim:
        """The paper's statement."""
        return claim(self.id)

    @property
    def verdict(self) -> Verdict:
        """Verdict on these networks."""
        if self.obstacle or not self.contrasts:
            return "can't tell"
        if any(one.premise and one.sign != "holds" for one in self.contrasts):
            return "can't tell"
        numbers = [one for one in self.contrasts if not one.premise]
        found = together([one.sign for one in numbers], agree=self.claim.agree)
        if found == "holds" and not _training_adds(numbers):
            return "holds before training too"
        return found

    @property
    def remedy(self) -> str:
        """Sentence on what would decide an undecided claim; empty for a decided one."""
        if self.verdict != "can't tell":
            return ""
        if self.obstacle:
            return self.obstacle
        for one in self.contrasts:
            if one.premise and one.sign == "does not hold":
                return f"The premise of the claim does not hold: {one.measure}."
        open_ones = [one for one in self.contrasts if one.sign == "can't tell"]
        if not open_ones:
            return "The claim's numbers contradict each other."
        return _more_batches(open_ones[0])


def _training_adds(numbers: Sequence[Contrast]) -> bool:
    """Whether the untrained baselines show less, or there are none.

    At least one of several numbers has to be above the one before training, and none below it by
    more than the smallest difference that matters.
    """
    known = [(one.learned, one.least) for one in numbers if one.learned is not None]
    if not known:
        return True
    adds = any(one.low is not None and one.low > 0 for one, _ in known)
    takes = any(one.high is not None and one.high < -least for one, least in known)
    return adds and not takes


def _more_batches(one: Contrast) -> str:
    """Sentence on how many images would make the interval narrow enough."""
    low, high = one.difference.low, one.difference.high
    if low is None or high is None:
        return "There is no interval: use more images or a smaller batch, for two or more batches."
    away = abs(one.difference.value - one.least)
    reach = max(high - one.difference.value, one.difference.value - low)
    error = reach / 2 if one.difference.error is None else one.difference.error
    # An interval of many batches is two standard errors wide on either side, one of few is wider.
    times = (2 * error / away) ** 2 if away else float("inf")
    if times > MOST_TIMES:
        return (
            f"The difference is too close to {one.least:g}: deciding it would take over "
            f"{MOST_TIMES} times as many images."
        )
    if times <= 1:
        return f"A few more batches of images would settle it: the interval reaches ±{reach:.2f}."
    return f"About {ceil(10 * times) / 10:g} times as many images would settle it."


@dataclass(frozen=True)
class Judgement:
    """A claim with the cases of networks that differ in their seed only."""

    claim: Claim
    cases: tuple[Case, ...]

    @property
    def verdict(self) -> Verdict:
        """Verdict over all seeds."""
        return over_seeds([case.verdict for case in self.cases])

    @property
    def seeds(self) -> str:
        """Number of seeds, and whether they agree."""
        if len(self.cases) < 2:
            return "one network"
        return f"{len(self.cases)} agree" if self.verdict != "seeds disagree" else "disagree"


def judge(
    cases: Iterable[Case], *, seed_group: Callable[[str], Hashable], weights: Mapping[str, str]
) -> list[Judgement]:
    """Group the cases of each claim by networks that differ in their seed only.

    Args:
        cases: The cases, in display order.
        seed_group: Maps a network to a label that it shares with other seeds of itself.
        weights: Digest of each network's weights; a network given twice counts once.

    Returns:
        A judgement for every claim and group of networks, in the order of the cases.
    """
    groups: dict[Hashable, dict[Hashable, Case]] = {}
    for case in cases:
        group = (case.id, tuple(seed_group(one) for one in case.networks))
        same = tuple(weights.get(one, one) for one in case.networks)
        groups.setdefault(group, {}).setdefault(same, case)
    return [
        Judgement(next(iter(own.values())).claim, tuple(own.values())) for own in groups.values()
    ]


def undecided_case(id: str, networks: Sequence[str], why: str) -> Case:
    """Make the case of networks that are too small for a claim, with the reason ``why``."""
    return Case(id, tuple(networks), obstacle=why)
