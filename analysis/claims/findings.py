"""Findings of a comparison: numbers of CKA matrices for the claims, trained and untrained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr

from seelike.analysis.claims.catalogue import claim
from seelike.analysis.claims.evidence import Case, Contrast, contrast
from seelike.analysis.claims.evidence import Measurement as Measurement
from seelike.analysis.claims.matrix_statistics import TooFewLayers
from seelike.analysis.claims.requirements import available
from seelike.analysis.claims.roles import role_assignments
from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.intervals.cka_intervals import jackknifed_cka
from seelike.analysis.similarity.intervals.estimate import Estimate
from seelike.analysis.similarity.intervals.jackknife import Jackknifed

Number = Callable[[Array], float]
Baseline = Mapping[str, str]


@dataclass(frozen=True)
class Side:
    """A number of a claim: ``number`` of the cells of ``rows``' taps with ``columns``'."""

    label: str
    rows: str
    columns: str
    number: Number

    def of(self, named: Baseline | None) -> "Side":
        """Make the same side of the models that ``named`` puts in their place."""
        names = named or {}
        rows, columns = (names.get(model, model) for model in (self.rows, self.columns))
        return replace(self, rows=rows, columns=columns)


@dataclass(frozen=True)
class Trial:
    """A contrast of the claim ``id``: ``measure`` of the first side is above the second's.

    ``least`` is the claim's own where it is None.
    """

    id: str
    measure: str
    first: Side
    second: Side
    least: float | None = None

    @property
    def networks(self) -> tuple[str, ...]:
        """Models of the side, each once."""
        return tuple(dict.fromkeys(_models([self.first, self.second])))


@dataclass(frozen=True)
class ComparedModels:
    """A comparison as findings read it.

    Attributes:
        parts: Contribution of each batch to CKA, (batches, T, T); they sum to CKA.
        model: Model of each tap, (T,).
        tap: Name of each tap, (T,).
        families: Family of each trained model ('vit', 'resnet', 'mixer' or another), in study
            order.
        baselines: Untrained baseline of each trained model that has one.
        facts: Facts of each model from the survey.
        images: Images per batch, (batches,).
    """

    parts: Array
    model: Sequence[str]
    families: Mapping[str, str]
    baselines: Mapping[str, str]
    tap: Sequence[str] = ()
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    images: Sequence[int] | None = None

    def taps(self, model: str) -> list[str]:
        """Names of ``model``'s taps, in firing order."""
        return [tap for tap, name in zip(self.tap, self.model, strict=True) if name == model]

    @property
    def roles(self) -> list[list[str]]:
        """Models in the roles of the claims on families: first of each family, second, ..."""
        return role_assignments(available(self.facts))

    def of_family(self, family: str, among: Sequence[str] | None = None) -> str | None:
        """The first model of ``family`` in the study's order, among some or all."""
        models = self.families if among is None else among
        return next((model for model in models if self.families.get(model) == family), None)

    def jackknifed(self, side: Side, *, named: Baseline | None = None) -> Jackknifed:
        """Compute ``side``'s number without each batch, of the models that ``named`` puts there."""
        own = side.of(named)
        chosen = np.flatnonzero(np.isin(self.model, _models([own])))
        names = np.asarray(self.model)[chosen]
        rows, columns = (np.flatnonzero(names == model) for model in (own.rows, own.columns))
        places = np.ix_(rows, columns)
        try:
            return jackknifed_cka(
                self.parts[:, chosen[:, None], chosen],
                lambda matrix: own.number(matrix[places]),
                images=self.images,
            )
        except TooFewLayers as error:
            short = own.rows if len(rows) == error.count else own.columns
            raise AnalysisError(self.too_few_layers(short, needed=error.needed)) from error

    def too_few_layers(self, model: str, *, needed: int = 2) -> str:
        """Reason why a number of ``needed`` layers of ``model`` is undefined; empty if not."""
        count = sum(name == model for name in self.model)
        if count >= needed:
            return ""
        return (
            f"the number needs at least {needed} layers of {model}, this comparison has {count}: "
            "choose more layers under taps"
        )

    def estimate(self, side: Side, *, named: Baseline | None = None) -> Estimate:
        """Compute ``side``'s number with its interval."""
        return self.jackknifed(side, named=named).estimate.clipped(-1.0, 1.0)

    def contrast(self, trial: Trial, *, baseline: Baseline | None = None) -> Contrast:
        """Contrast both sides of ``trial``, and of the networks that ``baseline`` puts there.

        The default baseline is the untrained baselines, where all of them have one.
        """
        if baseline is None and set(trial.networks) <= set(self.baselines):
            baseline = self.baselines
        first, second = (self._measurement(side, baseline) for side in (trial.first, trial.second))
        least = claim(trial.id).least if trial.least is None else trial.least
        return contrast(trial.measure, first, second, least=least)

    def case(self, *trials: Trial, baseline: Baseline | None = None) -> Case:
        """Test the claim of ``trials``; an undecided case where a model has too few layers."""
        networks = tuple(dict.fromkeys(name for trial in trials for name in trial.networks))
        try:
            found = tuple(self.contrast(trial, baseline=baseline) for trial in trials)
        except AnalysisError as error:
            words = str(error)
            return Case(trials[0].id, networks, obstacle=f"{words[:1].upper()}{words[1:]}.")
        return Case(trials[0].id, networks, found)

    def _measurement(self, side: Side, baseline: Baseline | None) -> Measurement:
        untrained = None if baseline is None else self.jackknifed(side, named=baseline)
        return Measurement(side.label, self.jackknifed(side), untrained)


def compared_models(dataset: xr.Dataset) -> ComparedModels:
    """Read a comparison as findings need it, with the untrained baseline of each model."""
    facts: dict[str, Any] = dataset.attrs["models"]
    names = [str(model) for model in dataset["model_a"].values]
    baselines = [str(model) for model in dataset["baseline_of_a"].values]
    untrained = {own: name for name, own in zip(names, baselines, strict=True) if own}
    own = [model for model in dict.fromkeys(names) if model not in untrained.values()]
    return ComparedModels(
        parts=dataset["cka_parts"].values.astype(np.float64),
        model=names,
        families={model: str(facts[model]["family"]) for model in own},
        baselines=untrained,
        tap=[str(tap) for tap in dataset["tap_a"].values],
        facts={model: facts[model] for model in own},
        images=dataset["batch_images"].values.tolist() if "batch_images" in dataset else None,
    )


def format_estimate(number: Estimate) -> str:
    """``number`` with two decimals and its interval: ``0.62 [0.60, 0.64]``."""
    text = f"{number.value:.2f}"
    if number.low is not None and number.high is not None:
        text += f" [{number.low:.2f}, {number.high:.2f}]"
    return text.replace("-", "\N{MINUS SIGN}")


def case_sentence(case: Case) -> str:
    """State the numbers of a claim in a sentence."""
    told = []
    for one in case.contrasts:
        (above, first), (below, second) = one.first, one.second
        words = (
            f"{one.measure}: {above} {format_estimate(first)}, {below} {format_estimate(second)}"
        )
        if one.untrained is not None:
            words += (
                f"; the difference is {format_estimate(one.difference)}, before training it is "
                f"{format_estimate(one.untrained)}"
            )
        told.append(words[0].upper() + words[1:])
    text = ". ".join(told) or case.obstacle.removesuffix(".")
    return f"{text}. {case.claim.sentence.removesuffix('.')}: {case.verdict}."


def _models(sides: Sequence[Side]) -> list[str]:
    return [model for side in sides for model in (side.rows, side.columns)]
