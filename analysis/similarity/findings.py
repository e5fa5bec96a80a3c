"""What a comparison says on the study's claims: numbers, intervals, and words that follow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.claims.catalogue import Claim, claim
from analysis.claims.verdicts import RELATION, Verdict, verdict
from analysis.similarity.gram import Array
from analysis.similarity.intervals import Estimate, estimate

Number = Callable[[Array], float]


@dataclass(frozen=True)
class Side:
    """One number of a claim: ``number`` of the cells of ``rows``' taps with ``columns``'."""

    label: str
    rows: str
    columns: str
    number: Number

    def of(self, named: Mapping[str, str] | None) -> "Side":
        """The same of the models that ``named`` puts in their place."""
        names = named or {}
        rows, columns = (names.get(model, model) for model in (self.rows, self.columns))
        return replace(self, rows=rows, columns=columns)


@dataclass(frozen=True)
class Trial:
    """The claim ``id`` put to models, as: ``measure`` of the first side is above the second's."""

    id: str
    measure: str
    first: Side
    second: Side

    @property
    def claim(self) -> Claim:
        """What the study says."""
        return claim(self.id)


@dataclass(frozen=True)
class Contrast:
    """What was measured of both sides of a claim, and their difference."""

    first: Estimate
    second: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Finding:
    """A trial beside what was measured, and the same on the untrained twins where there are any."""

    trial: Trial
    trained: Contrast
    untrained: Contrast | None

    @property
    def verdict(self) -> Verdict:
        """What the difference says, by the rule for all claims."""
        return verdict(self.trained.difference)

    @property
    def words(self) -> str:
        """The finding in a sentence that its numbers make."""
        measured, trial = self.trained, self.trial
        sentence = (
            f"{trial.measure[0].upper()}{trial.measure[1:]}: {trial.first.label} "
            f"{shown(measured.first)} is {RELATION[self.verdict]} {trial.second.label} "
            f"{shown(measured.second)}"
        )
        if self.untrained is not None:
            sentence += (
                f"; the difference is {shown(measured.difference)}, before training it is "
                f"{shown(self.untrained.difference)}"
            )
        return f"{sentence}."


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
    order, ``twins`` the untrained twin of those that have one. ``tap`` (T,) names the taps.
    """

    parts: Array
    model: Sequence[str]
    families: Mapping[str, str]
    twins: Mapping[str, str]
    tap: Sequence[str] = ()

    def taps(self, model: str) -> list[str]:
        """The names of ``model``'s taps, as they fire."""
        return [tap for tap, name in zip(self.tap, self.model, strict=True) if name == model]

    def first(self, family: str) -> str | None:
        """The first model of ``family`` in the study's order."""
        return next((model for model, kind in self.families.items() if kind == family), None)

    def estimate(self, side: Side, *, named: Mapping[str, str] | None = None) -> Estimate:
        """``side``'s number and its interval; of the models that ``named`` puts in their place."""
        shown = [side.of(named)]
        return estimate(self._of(shown), self._number(shown[0], shown))

    def contrast(self, trial: Trial, *, named: Mapping[str, str] | None = None) -> Contrast:
        """Both sides of ``trial`` and their difference, over the same resamples."""
        both = [side.of(named) for side in (trial.first, trial.second)]
        parts = self._of(both)
        first, second = (self._number(side, both) for side in both)
        return Contrast(
            estimate(parts, first),
            estimate(parts, second),
            estimate(parts, lambda matrix: first(matrix) - second(matrix)),
        )

    def _of(self, sides: Sequence[Side]) -> Array:
        """The parts of the models of ``sides`` alone: others would only take time."""
        chosen = np.flatnonzero(np.isin(self.model, _models(sides)))
        return self.parts[:, chosen[:, None], chosen]

    def _number(self, side: Side, sides: Sequence[Side]) -> Number:
        """``side``'s number as a function of the CKA matrix of the models of ``sides``."""
        names = np.asarray(self.model)
        names = names[np.isin(names, _models(sides))]
        rows, columns = (np.flatnonzero(names == model) for model in (side.rows, side.columns))
        return lambda matrix: side.number(matrix[np.ix_(rows, columns)])

    def finding(self, trial: Trial, *, baseline: Mapping[str, str] | None = None) -> Finding:
        """What the networks say in ``trial``, and those that the ``baseline`` puts in their place.

        The baseline is their untrained twins where all of them have one.
        """
        if baseline is None and set(_models([trial.first, trial.second])) <= set(self.twins):
            baseline = self.twins
        return Finding(
            trial,
            self.contrast(trial),
            None if baseline is None else self.contrast(trial, named=baseline),
        )


def _models(sides: Sequence[Side]) -> list[str]:
    return [model for side in sides for model in (side.rows, side.columns)]
