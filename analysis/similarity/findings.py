"""What a comparison says on the study's claims: numbers, intervals, and words that follow.

One rule for all: a claim that one number is above another agrees where the interval of their
difference is above zero, differs where it is below, and is undecided where it holds zero or
where there is no interval.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.similarity import structure
from analysis.similarity.gram import Array
from analysis.similarity.intervals import Estimate, estimate

Verdict = Literal["agrees", "differs", "undecided"]
Number = Callable[[Array], float]


@dataclass(frozen=True)
class Side:
    """One number of a claim: ``number`` of the cells of ``rows``' taps with ``columns``'."""

    label: str
    rows: str
    columns: str
    number: Number


@dataclass(frozen=True)
class Claim:
    """A sentence of the study, as: ``measure`` of the first side is above the second's."""

    experiment: str
    sentence: str
    measure: str
    first: Side
    second: Side


@dataclass(frozen=True)
class Contrast:
    """What was measured of both sides of a claim, and their difference."""

    first: Estimate
    second: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Finding:
    """A claim beside what was measured, and the same on the untrained twins where there are any."""

    claim: Claim
    trained: Contrast
    untrained: Contrast | None

    @property
    def verdict(self) -> Verdict:
        """Whether the interval of the difference lies above zero, below, or holds it."""
        return verdict(self.trained.difference)

    @property
    def words(self) -> str:
        """The finding in a sentence that its numbers make."""
        relation = {"agrees": "above", "differs": "below", "undecided": "not told apart from"}
        measured, claim = self.trained, self.claim
        sentence = (
            f"{claim.measure[0].upper()}{claim.measure[1:]}: {claim.first.label} "
            f"{shown(measured.first)} is {relation[self.verdict]} {claim.second.label} "
            f"{shown(measured.second)}"
        )
        if self.untrained is not None:
            sentence += (
                f"; the difference is {shown(measured.difference)}, between the untrained "
                f"networks it is {shown(self.untrained.difference)}"
            )
        return f"{sentence}."


def verdict(difference: Estimate) -> Verdict:
    """What the ``difference`` of a claim's two sides says, by the rule above."""
    low, high = difference.low, difference.high
    if low is None or high is None or low <= 0 <= high:
        return "undecided"
    return "agrees" if low > 0 else "differs"


def shown(number: Estimate) -> str:
    """``number`` with two decimals and its interval: ``0.62 [0.60, 0.64]``."""
    text = f"{number.value:.2f}"
    if number.low is not None and number.high is not None:
        text += f" [{number.low:.2f}, {number.high:.2f}]"
    return text.replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class Measured:
    """A comparison as findings need it.

    ``parts`` (batches, T, T) sum to CKA; ``model`` (T,) names each tap's model. ``families``
    gives each trained model's family ('vit', 'resnet', 'mixer', or another word) in the study's
    order, ``twins`` the untrained twin of those that have one.
    """

    parts: Array
    model: Sequence[str]
    families: Mapping[str, str]
    twins: Mapping[str, str]

    def first(self, family: str) -> str | None:
        """The first model of ``family`` in the study's order."""
        return next((model for model, kind in self.families.items() if kind == family), None)

    def estimate(self, side: Side, *, named: Mapping[str, str] | None = None) -> Estimate:
        """``side``'s number and its interval; of the models that ``named`` puts in their place."""
        return estimate(self.parts, self._number(side, named))

    def _number(self, side: Side, named: Mapping[str, str] | None) -> Number:
        """``side``'s number as a function of the whole CKA matrix."""
        names = np.asarray(self.model)
        rows, columns = (
            np.flatnonzero(names == (named or {}).get(model, model))
            for model in (side.rows, side.columns)
        )
        return lambda matrix: side.number(matrix[np.ix_(rows, columns)])

    def contrast(self, claim: Claim, *, named: Mapping[str, str] | None = None) -> Contrast:
        """Both sides of ``claim`` and their difference, over the same resamples."""
        first, second = (self._number(side, named) for side in (claim.first, claim.second))
        return Contrast(
            self.estimate(claim.first, named=named),
            self.estimate(claim.second, named=named),
            estimate(self.parts, lambda matrix: first(matrix) - second(matrix)),
        )

    def finding(self, claim: Claim) -> Finding:
        """What the networks say on ``claim``, and their twins where all of them have one."""
        models = {m for side in (claim.first, claim.second) for m in (side.rows, side.columns)}
        twinned = models <= set(self.twins)
        return Finding(
            claim,
            self.contrast(claim),
            self.contrast(claim, named=self.twins) if twinned else None,
        )


def findings(measured: Measured) -> list[Finding]:
    """What ``measured`` says on those claims of E1 and E2 whose families it has."""
    vit, resnet, mixer = (measured.first(kind) for kind in ("vit", "resnet", "mixer"))
    claims: list[Claim] = []
    if vit is not None and resnet is not None:
        claims += [*_within(vit, resnet), *_across(vit, resnet)]
        if mixer is not None:
            claims.append(_mixer(mixer, vit, resnet))
    return [measured.finding(claim) for claim in claims]


def _within(vit: str, resnet: str) -> list[Claim]:
    return [
        Claim(
            "E1",
            "The lowest and the highest layers of a ViT are much more alike than a ResNet's.",
            "mean CKA of the bottom quarter of the layers with the top quarter",
            Side(vit, vit, vit, structure.bottom_top),
            Side(resnet, resnet, resnet, structure.bottom_top),
        ),
        Claim(
            "E1",
            "Even the two least similar layers of a ViT are more alike than those of a ResNet.",
            "smallest CKA between two layers",
            Side(vit, vit, vit, structure.lowest),
            Side(resnet, resnet, resnet, structure.lowest),
        ),
    ]


def _across(vit: str, resnet: str) -> list[Claim]:
    return [
        Claim(
            "E2",
            "The lower half of a ResNet's layers matches best the lowest quarter of a ViT's.",
            f"share of {resnet}'s lower half whose most similar layer of {vit} lies",
            Side(f"in {vit}'s lowest quarter", resnet, vit, structure.lower_half_match),
            Side("higher up", resnet, vit, structure.lower_half_mismatch),
        ),
        Claim(
            "E2",
            "The last third of a ViT resembles no layer of a ResNet.",
            f"mean CKA of {vit}'s layers with the most similar layer of {resnet}",
            Side("before the last third", resnet, vit, structure.before_last_third_resemblance),
            Side("in the last third", resnet, vit, structure.last_third_resemblance),
        ),
    ]


def _mixer(mixer: str, vit: str, resnet: str) -> Claim:
    return Claim(
        "E2",
        "An MLP-Mixer is closer to a ViT than to a ResNet.",
        f"mean CKA of {mixer}'s layers with the most similar layer",
        Side(f"of {vit}", mixer, vit, structure.resemblance),
        Side(f"of {resnet}", mixer, resnet, structure.resemblance),
    )
