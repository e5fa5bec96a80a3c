"""What was measured of a claim: numbers of networks, of the same before training, and verdicts."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from seelike.analysis.claims.catalogue import Claim, claim
from seelike.analysis.claims.verdicts import Sign, Verdict, over_seeds, sign, together
from seelike.analysis.similarity.intervals.estimate import Estimate
from seelike.analysis.similarity.intervals.jackknife import Jackknifed

# More batches than this many times those there are can't be asked of anyone.
MOST_TIMES = 100


@dataclass(frozen=True)
class Measurement:
    """One side of a contrast: a label, the number of a network, and that before its training."""

    label: str
    own: Jackknifed
    untrained: Jackknifed | None = None


@dataclass(frozen=True)
class Contrast:
    """That the ``first`` number lies above the ``second``, by more than ``least``.

    ``untrained`` is their difference before training, ``learned`` the difference of both
    differences. A ``premise`` has to hold for the claim to say anything.
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
        """What the interval of the difference says."""
        return sign(self.difference, least=self.least)


def contrast(
    measure: str, first: Measurement, second: Measurement, *, least: float, premise: bool = False
) -> Contrast:
    """The contrast of two sides that were measured on the same images."""
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
    """A claim put to some ``networks``; ``obstacle`` says why they are too small for it."""

    id: str
    networks: tuple[str, ...]
    contrasts: tuple[Contrast, ...] = ()
    obstacle: str = ""

    @property
    def claim(self) -> Claim:
        """What the paper says."""
        return claim(self.id)

    @property
    def verdict(self) -> Verdict:
        """What these networks say."""
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
        """What would settle what can't be told, in a sentence; empty where it is told."""
        if self.verdict != "can't tell":
            return ""
        if self.obstacle:
            return self.obstacle
        for one in self.contrasts:
            if one.premise and one.sign == "does not hold":
                return f"The claim has nothing to be about: not so is that {one.measure}."
        open_ones = [one for one in self.contrasts if one.sign == "can't tell"]
        if not open_ones:
            return "Its numbers contradict each other."
        return _more_batches(open_ones[0])


def _training_adds(numbers: Sequence[Contrast]) -> bool:
    """Whether untrained networks show less, or nothing is known of them.

    Of several numbers one at least has to be above that before training, and none below it by
    what matters.
    """
    known = [(one.learned, one.least) for one in numbers if one.learned is not None]
    if not known:
        return True
    adds = any(one.low is not None and one.low > 0 for one, _ in known)
    takes = any(one.high is not None and one.high < -least for one, least in known)
    return adds and not takes


def _more_batches(one: Contrast) -> str:
    """How many images would make the interval narrow enough, by its standard error."""
    low, high = one.difference.low, one.difference.high
    if low is None or high is None:
        return "There is no interval: take more images, or a smaller batch, for two or more."
    away = abs(one.difference.value - one.least)
    reach = max(high - one.difference.value, one.difference.value - low)
    error = reach / 2 if one.difference.error is None else one.difference.error
    # An interval from many batches reaches two standard errors; that of few reaches further.
    times = (2 * error / away) ** 2 if away else float("inf")
    if times > MOST_TIMES:
        return (
            f"The difference is too near to {one.least:g} for more images to tell: it would take "
            f"over {MOST_TIMES} times as many."
        )
    if times <= 1:
        return f"A few more batches of images would settle it: the interval reaches ±{reach:.2f}."
    return f"About {ceil(10 * times) / 10:g} times as many images would settle it."


@dataclass(frozen=True)
class Judgement:
    """A claim and the cases of networks that differ in their seed alone."""

    claim: Claim
    cases: tuple[Case, ...]

    @property
    def verdict(self) -> Verdict:
        """What all seeds say, or that they disagree."""
        return over_seeds([case.verdict for case in self.cases])

    @property
    def seeds(self) -> str:
        """How many seeds there are, and whether they agree."""
        if len(self.cases) < 2:
            return "one network"
        return f"{len(self.cases)} agree" if self.verdict != "seeds disagree" else "disagree"


def judge(
    cases: Iterable[Case], *, seed_group: Callable[[str], Hashable], weights: Mapping[str, str]
) -> list[Judgement]:
    """The cases of each claim, those together whose networks differ in their seed alone.

    Args:
        cases: In the order in which they are to be shown.
        seed_group: What a network shares with those that differ from it in their seed alone.
        weights: The digest of each network's weights: a network given twice is one.

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
    """The case of networks that are too small for a claim, and ``why``."""
    return Case(id, tuple(networks), obstacle=why)
