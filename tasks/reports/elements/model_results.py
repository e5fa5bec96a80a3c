"""Results of one analysis of a study's models, as the sections of a report read them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.findings import case_sentence
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.networks.loading.models import baseline_name
from seelike.analysis.similarity import Estimate, Jackknifed
from seelike.storage.reports.write import Check, Csv
from seelike.storage.store import Store
from seelike.tasks.reports.elements.claims import checks
from seelike.tasks.reports.elements.tables import columns_of, csv_file
from seelike.tasks.results import AnatomyResult
from seelike.tasks.step_results import AnalysisResult


@dataclass(frozen=True)
class AnalysisResults:
    """One analysis of a study's models, each dataset read from the store once.

    Attributes:
        store: The store.
        kind: Kind of the store's entries.
        analysis: Name of the analysis.
        found: Results of all models, untrained baselines included.
        datasets: Dataset of every model that has the part.
        models: Models that a section is about, in its order; None for all.
    """

    store: Store
    kind: str
    analysis: str
    found: tuple[AnalysisResult, ...]
    datasets: Mapping[str, xr.Dataset]
    models: tuple[str, ...] | None = None

    def of_models(self, models: Iterable[str]) -> "AnalysisResults":
        """The same for a section about ``models`` and their baselines, in the order given."""
        return replace(self, models=tuple(dict.fromkeys(models)))

    @property
    def shown(self) -> list[AnalysisResult]:
        """Results of the models that the section is about."""
        if self.models is None:
            return list(self.found)
        return [
            one
            for model in self.models
            for one in self.found
            if model in (one.plan.name, one.plan.subject.baseline_of)
        ]

    @cached_property
    def each(self) -> list[ModelResult]:
        """Results of the study's own models, those that have the part."""
        return [
            ModelResult(
                one.plan.name,
                str(one.plan.facts["family"]),
                self.datasets[one.plan.name],
                self.datasets.get(baseline_name(one.plan.name)),
                one.plan.facts,
            )
            for one in self.shown
            if one.name and not one.plan.subject.baseline_of
        ]

    @property
    def attributes(self) -> Mapping[str, Any] | None:
        """Attributes of the first dataset: settings, images, interval; None without one."""
        return next((self.datasets[one.plan.name].attrs for one in self.shown if one.name), None)

    def left_out(self) -> Iterator[str]:
        """Models without the part, and parts that were left out, a sentence each."""
        for one in self.shown:
            if one.missing_part and not one.plan.subject.baseline_of:
                yield f"Left out: {one.missing_part}."
            parts = self.datasets[one.plan.name].attrs.get("left_out", {}) if one.name else {}
            if parts:
                name, why = next(iter(parts.items()))
                also = [other for other in parts if other != name]
                more = f" Also left out: {', '.join(also)}." if also else ""
                yield f"Left out of {one.plan.name}: {name} ({why}).{more}"

    def checks_of(self, cases: Iterable[Case]) -> tuple[Check, ...]:
        """The claims of ``cases`` on these models."""
        return checks(cases, {one.model: {"weights": one.model, **one.facts} for one in self.each})

    def csv(self, name: str, about: str, *, labels: Sequence[str], variables: Sequence[str]) -> Csv:
        """Numbers of all models as CSV, those that no section shows included.

        Args:
            name: Stem of the file.
            about: What a line holds.
            labels: Coordinates of one dimension, a column each.
            variables: Variables of the same dimension, three columns each: value, low, high.
        """
        columns = [*labels, *columns_of(variables)]
        rows = []
        for one in self.found:
            if not one.name:
                continue
            dataset = self.datasets[one.plan.name]
            size = dataset[labels[0]].size
            values = [
                dataset[column].values.tolist() if column in dataset else [None] * size
                for column in columns
            ]
            rows += [
                (one.plan.name, one.plan.subject.trained, *cells)
                for cells in zip(*values, strict=True)
            ]
        return csv_file(name, about, ("model", "trained", *columns), rows)


def load_results(result: AnatomyResult, analysis: str) -> AnalysisResults:
    """Read ``analysis`` of all models from the store."""
    found = tuple(one for one in result.found if one.analysis == analysis)
    datasets = {
        one.plan.name: result.open(one.plan.name, analysis).load() for one in found if one.name
    }
    return AnalysisResults(result.opened, result.kind, analysis, found, datasets)


def sentences(cases: Iterable[Case], otherwise: str) -> str:
    """State the numbers of some claims in words; ``otherwise`` without any."""
    return " ".join(map(case_sentence, cases)) or otherwise


def numbers(dataset: xr.Dataset, name: str) -> Jackknifed:
    """A variable over its rows, with each group of images left out in turn."""
    return Jackknifed.from_dataset(dataset, name)


def mean_of(dataset: xr.Dataset | None, name: str, rows: np.ndarray) -> Estimate | None:
    """Mean of a variable over the chosen rows, with its interval.

    Args:
        dataset: Results of a network; None for a baseline that there is not.
        name: The variable, (rows,).
        rows: (rows,) bool.

    Returns:
        The mean; None without a dataset or without rows.
    """
    if dataset is None or not rows.any():
        return None
    return numbers(dataset, name).of(lambda each: each[:, rows].mean(axis=1)).estimate


def curves(
    one: ModelResult, name: str, label: str, *, at: str, where: Callable[[xr.Dataset], np.ndarray]
) -> Iterator[draw.Curve]:
    """Curves of a model and of its untrained baseline.

    Args:
        one: Results of the model.
        name: Variable on the vertical axis.
        label: Name of the model's curve.
        at: Coordinate on the horizontal axis.
        where: Which rows of a dataset are drawn, (rows,) bool.
    """
    for dataset, trained in ((one.own, True), (one.untrained, False)):
        if dataset is None or not (rows := where(dataset)).any():
            continue
        # Bands of both would hide each other: the baseline goes without.
        low, high = (
            dataset[f"{name}_{end}"].values[rows] if trained and f"{name}_low" in dataset else None
            for end in ("low", "high")
        )
        yield draw.Curve(
            label,
            dataset[at].values[rows].astype(float),
            dataset[name].values[rows],
            low,
            high,
            kind="trained" if trained else "untrained",
        )
