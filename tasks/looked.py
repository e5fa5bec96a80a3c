"""What an anatomy found, as the sections of its report take it: models, claims, curves, lines."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr

from analysis import figures as draw
from analysis.claims import RELATION, claim, verdict
from analysis.networks.models import twin_name
from analysis.similarity import Estimate, Resampled
from analysis.similarity.findings import shown
from storage import reports
from storage.reports import Check, Figure, Section, Table
from tasks.inner_methods import inner_method
from tasks.references import AnatomyReference


@dataclass(frozen=True)
class Looked:
    """One analysis of one model of a study: its dataset, and its untrained twin's if there is.

    ``facts`` are what the survey found of the model.
    """

    model: str
    family: str
    own: xr.Dataset
    twin: xr.Dataset | None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """One side of a claim: a label and a number of a model's, and of its untrained twin's."""

    label: str
    own: Resampled
    twin: Resampled | None


def looked(reference: AnatomyReference, analysis: str) -> list[Looked]:
    """``analysis`` of the study's own models, those that have the part, in its order."""
    there = {one.plan.name for one in reference.found if one.analysis == analysis and one.name}
    return [
        Looked(
            one.plan.name,
            str(one.plan.facts["family"]),
            reference.open(one.plan.name, analysis).load(),
            reference.open(twin_name(one.plan.name), analysis).load()
            if twin_name(one.plan.name) in there
            else None,
            one.plan.facts,
        )
        for one in reference.found
        if one.analysis == analysis and one.name and not one.plan.subject.baseline_of
    ]


def lacking(reference: AnatomyReference, analysis: str) -> Iterator[str]:
    """What can't be said of which models, and of which of their parts, and why."""
    for one in reference.found:
        if one.analysis != analysis:
            continue
        if one.lacks and not one.plan.subject.baseline_of:
            yield f"Not looked into: {one.lacks}."
        left_out = {}
        if one.name:
            left_out = reference.open(one.plan.name, analysis).attrs.get("left_out", {})
        if left_out:
            name, why = next(iter(left_out.items()))
            also = [other for other in left_out if other != name]
            more = f" Likewise left out: {', '.join(also)}." if also else ""
            yield f"Left out of {one.plan.name}: {name} ({why}).{more}"


def framed(
    reference: AnatomyReference,
    analysis: str,
    title: str,
    about: str,
    *,
    checks: Sequence[Check] = (),
    sentences: Iterable[str] = (),
    figures: Iterable[Figure] = (),
    table: Table | None = None,
) -> Section:
    """A section: what it is about, what the numbers say, and who lacks the part.

    ``sentences`` stand for checks where an analysis has none.
    """
    return Section(
        title,
        paragraphs=(
            about,
            *map(words, checks),
            *sentences,
            *lacking(reference, analysis),
        ),
        checks=tuple(checks),
        figures=tuple(figures),
        tables=() if table is None else (table,),
        method=inner_method(reference, analysis),
    )


def first(each: Sequence[Looked], family: str) -> Looked | None:
    """The first model of ``family`` in the study's order."""
    return next((one for one in each if one.family == family), None)


def having(one: Looked | None, *wanted: Callable[[xr.Dataset], np.ndarray]) -> Looked | None:
    """``one`` if it has all ``wanted`` rows; without its twin where the twin lacks some."""
    if one is None or not all(rows(one.own).any() for rows in wanted):
        return None
    if one.twin is not None and not all(rows(one.twin).any() for rows in wanted):
        return replace(one, twin=None)
    return one


def numbers(dataset: xr.Dataset, name: str) -> Resampled:
    """One variable over its rows, with its resamples."""
    drawn = f"{name}_drawn"
    return Resampled(dataset[name].values, dataset[drawn].values if drawn in dataset else None)


def side(one: Looked, label: str, number: Callable[[xr.Dataset], Resampled]) -> Side:
    """``number`` of a model's dataset, and of its twin's."""
    return Side(label, number(one.own), None if one.twin is None else number(one.twin))


def check(id: str, measure: str, above: Side, below: Side) -> Check:
    """The claim ``id`` that the number ``above`` is above ``below``, beside what was measured."""
    of = claim(id)
    untrained = (
        ()
        if above.twin is None or below.twin is None
        else _both(above, below, above.twin, below.twin)
    )
    measured = _both(above, below, above.own, below.own)
    return Check(
        id=of.id,
        experiment=of.experiment,
        claim=of.sentence,
        measured=measured,
        untrained=untrained,
        verdict=verdict(_one(above.own - below.own)),
        remark=f"{measure[0].upper()}{measure[1:]}.",
    )


def words(found: Check) -> str:
    """A check in a sentence that its numbers make."""
    (above, first_number), (below, second_number), (_, difference) = found.measured
    sentence = (
        f"{found.remark.removesuffix('.')}: {above} {_shown(first_number)} is "
        f"{RELATION[found.verdict]} {below} {_shown(second_number)}"
    )
    if found.untrained:
        sentence += (
            f"; the difference is {_shown(difference)}, before training it is "
            f"{_shown(found.untrained[2][1])}"
        )
    return f"{sentence}."


def cell(number: Estimate) -> reports.Estimate:
    """A number as tables and checks take it."""
    return reports.Estimate(number.value, number.low, number.high)


def mean_of(dataset: xr.Dataset, name: str, rows: np.ndarray) -> reports.Estimate | None:
    """The mean of a variable's chosen rows with its interval; None where there are none."""
    if not rows.any():
        return None
    return cell(_one(numbers(dataset, name).of(lambda each: each[:, rows].mean(axis=1))))


def curves(
    one: Looked, name: str, label: str, *, at: str, where: Callable[[xr.Dataset], np.ndarray]
) -> Iterator[draw.Curve]:
    """A variable along the coordinate ``at`` at the rows ``where``, of a model and of its twin."""
    for dataset, kind in ((one.own, "trained"), (one.twin, "untrained")):
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
    reference: AnatomyReference, analysis: str, *, labels: Sequence[str], variables: Sequence[str]
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


def _both(
    above: Side, below: Side, first: Resampled, second: Resampled
) -> tuple[tuple[str, reports.Estimate], ...]:
    return (
        (above.label, cell(_one(first))),
        (below.label, cell(_one(second))),
        ("difference", cell(_one(first - second))),
    )


def _one(number: Resampled) -> Estimate:
    return number.estimates[0]


def _shown(number: reports.Estimate) -> str:
    assert number.value is not None
    return shown(Estimate(number.value, number.low, number.high))
