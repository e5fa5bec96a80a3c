"""What an anatomy found, as the sections of its report take it: models, claims, curves, lines."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.findings import case_sentence
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.networks.loading.models import baseline_name
from seelike.analysis.similarity import Jackknifed
from seelike.storage.reports import write
from seelike.storage.reports.write import Check, Figure, Section, Table
from seelike.tasks.reports.elements.claims import cell, checks
from seelike.tasks.reports.methods.anatomy import inner_method
from seelike.tasks.results import AnatomyResult


def load_results(reference: AnatomyResult, analysis: str) -> list[ModelResult]:
    """``analysis`` of the study's own models, those that have the part, in its order."""
    there = {one.plan.name for one in reference.found if one.analysis == analysis and one.name}
    return [
        ModelResult(
            one.plan.name,
            str(one.plan.facts["family"]),
            reference.open(one.plan.name, analysis).load(),
            reference.open(baseline_name(one.plan.name), analysis).load()
            if baseline_name(one.plan.name) in there
            else None,
            one.plan.facts,
        )
        for one in reference.found
        if one.analysis == analysis and one.name and not one.plan.subject.baseline_of
    ]


def lacking(reference: AnatomyResult, analysis: str) -> Iterator[str]:
    """What can't be said of which models, and of which of their parts, and why."""
    for one in reference.found:
        if one.analysis != analysis:
            continue
        if one.missing_part and not one.plan.subject.baseline_of:
            yield f"Not looked into: {one.missing_part}."
        left_out = {}
        if one.name:
            left_out = reference.open(one.plan.name, analysis).attrs.get("left_out", {})
        if left_out:
            name, why = next(iter(left_out.items()))
            also = [other for other in left_out if other != name]
            more = f" Likewise left out: {', '.join(also)}." if also else ""
            yield f"Left out of {one.plan.name}: {name} ({why}).{more}"


def section_of(
    reference: AnatomyResult,
    analysis: str,
    title: str,
    about: str,
    *,
    checks: Sequence[Check] = (),
    sentences: Iterable[str] = (),
    figures: Iterable[Figure] = (),
    table: Table | None = None,
) -> Section:
    """A section: what it is about, the checks of its claims, and who lacks the part.

    ``sentences`` stand for checks where an analysis has none.
    """
    return Section(
        title,
        paragraphs=(
            about,
            *sentences,
            *lacking(reference, analysis),
        ),
        checks=tuple(checks),
        figures=tuple(figures),
        tables=() if table is None else (table,),
        method=inner_method(reference, analysis),
    )


def checks_of(cases: Iterable[Case], each: Sequence[ModelResult]) -> tuple[Check, ...]:
    """The checks of cases of those networks."""
    return checks(cases, {one.model: {"weights": one.model, **one.facts} for one in each})


def sentences(cases: Iterable[Case], otherwise: str) -> str:
    """What was measured of some claims, in words; ``otherwise`` where there are none."""
    return " ".join(map(case_sentence, cases)) or otherwise


def numbers(dataset: xr.Dataset, name: str) -> Jackknifed:
    """One variable over its rows, with what it is without each group of images."""
    return Jackknifed.from_dataset(dataset, name)


def mean_of(dataset: xr.Dataset, name: str, rows: np.ndarray) -> write.Estimate | None:
    """The mean of a variable's chosen rows with its interval; None where there are none."""
    if not rows.any():
        return None
    return cell(numbers(dataset, name).of(lambda each: each[:, rows].mean(axis=1)).estimate)


def curves(
    one: ModelResult, name: str, label: str, *, at: str, where: Callable[[xr.Dataset], np.ndarray]
) -> Iterator[draw.Curve]:
    """A variable along the coordinate ``at`` at the rows ``where``, of a model and of its twin."""
    for dataset, kind in ((one.own, "trained"), (one.untrained, "untrained")):
        if dataset is None or not (rows := where(dataset)).any():
            continue
        bounds = [
            dataset[f"{name}_{end}"].values[rows] if f"{name}_low" in dataset else None
            for end in ("low", "high")
        ]
        if kind == "untrained":
            bounds = [None, None]  # One band a line is what can be told apart.
        yield draw.Curve(
            label,
            dataset[at].values[rows].astype(float),
            dataset[name].values[rows],
            bounds[0],
            bounds[1],
            kind="trained" if kind == "trained" else "untrained",
        )


def lines(
    reference: AnatomyResult, analysis: str, *, labels: Sequence[str], variables: Sequence[str]
) -> str:
    """As CSV: model, whether trained, ``labels`` and ``variables`` with their intervals.

    Numbers are written so that reading them back gives the same floats.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [f"{name}{end}" for name in variables for end in ("", "_low", "_high")]
    writer.writerow(("model", "trained", *labels, *columns))
    for one in reference.found:
        if one.analysis != analysis or not one.name:
            continue
        dataset = reference.open(one.plan.name, analysis).load()
        each = [
            dataset[name].values.tolist() if name in dataset else None
            for name in (*labels, *columns)
        ]
        for row in range(dataset[labels[0]].size):
            cells = ["" if values is None else values[row] for values in each]
            writer.writerow((one.plan.name, one.plan.subject.trained, *cells))
    return text.getvalue()
