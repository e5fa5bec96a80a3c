"""The section on heads against a ResNet (E4): CKA of local and of global heads with its units."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis import figures as draw
from analysis.similarity import Resampled
from analysis.similarity.head_subsets import Agreement, Parts, agreement
from storage import reports
from storage.reports import Check, Csv, Figure, Section, Table
from tasks.drawn import drawn
from tasks.heads import HEADS, UNITS
from tasks.looked import Looked, Side, cell, check, framed, looked, words
from tasks.references import AnatomyReference

ANALYSIS = "heads"
# Spearman's correlation up to which similarity is taken to fall.
FALLS = -0.8


@dataclass(frozen=True)
class _Beside:
    """The heads of one model beside the lowest units of another, and of their untrained twins."""

    heads: Looked
    units: Looked
    own: Agreement
    twin: Agreement | None

    @property
    def layers(self) -> list[str]:
        return [str(name) for name in self.units.own["part"].values]


def section(reference: AnatomyReference) -> Section:
    """What was found of heads beside a ResNet."""
    beside = _beside(looked(reference, ANALYSIS))
    found = [] if beside is None else list(claims(beside))
    return framed(
        reference,
        ANALYSIS,
        "Heads against a ResNet",
        "What heads of one attention of a ViT put out, a quarter of its heads at a time from the "
        "most local to the most global, and CKA of each such subset with the lowest residual units "
        "of a ResNet on the same images.",
        checks=found,
        sentences=() if beside else ("It takes a ViT and a ResNet in one study: one is missing.",),
        figures=() if beside is None else (figure(beside),),
        table=None if beside is None else table(beside),
    )


def data(reference: AnatomyReference) -> Iterator[Csv]:
    """A line a subset and unit."""
    beside = _beside(looked(reference, ANALYSIS))
    if beside is None:
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = ("", "_low", "_high")
    names = [f"{name}{end}" for name in ("distance", "cka") for end in ends]
    writer.writerow(("model", "resnet", "trained", "heads", "unit", *names))
    for one, trained in ((beside.own, True), (beside.twin, False)):
        for subset, unit, distance, cka in _cells(one, beside.layers) if one else ():
            numbers = [n for e in (distance, cka) for n in (e.value, e.low, e.high)]
            heads = " ".join(map(str, subset))
            row = (beside.heads.model, beside.units.model, trained, heads, unit)
            writer.writerow((*row, *("" if n is None else n for n in numbers)))
    yield Csv("heads", text.getvalue(), "one line a subset of heads and residual unit: CKA")


def _cells(
    one: Agreement, layers: Sequence[str]
) -> Iterator[tuple[tuple[int, ...], str, reports.Estimate, reports.Estimate]]:
    similar = one.cka.estimates
    for at, (subset, distance) in enumerate(zip(one.subsets, one.distance.estimates, strict=True)):
        for column, layer in enumerate(layers):
            yield subset, layer, cell(distance), cell(similar[at * len(layers) + column])


def _beside(each: Sequence[Looked]) -> _Beside | None:
    """The first model with heads, a ViT if there is one, and the first with units."""
    heads = [one for one in each if one.own.attrs["kind"] == HEADS]
    units = [one for one in each if one.own.attrs["kind"] == UNITS]
    if not heads or not units:
        return None
    one = next((each for each in heads if each.family == "vit"), heads[0])
    other = units[0]
    twins = None if one.twin is None or other.twin is None else (one.twin, other.twin)
    return _Beside(
        one, other, _agreement(one.own, other.own), None if twins is None else _agreement(*twins)
    )


def _agreement(heads: xr.Dataset, units: xr.Dataset) -> Agreement:
    return agreement(_parts(heads), heads["distance"].values, _parts(units))


def _parts(dataset: xr.Dataset) -> Parts:
    return Parts(dataset["direction"].values, dataset["length"].values)


def all_claims(each: Sequence[Looked]) -> list[Check]:
    """The claims on the first model with heads and the first with units, if there are both."""
    beside = _beside(each)
    return [] if beside is None else list(claims(beside))


def claims(beside: _Beside) -> Iterator[Check]:
    """What the study says of local and global heads, of the lowest unit."""
    if beside.own.rho is None:
        return
    twin = None if beside.twin is None else beside.twin.rho
    yield check(
        "E4-falls",
        f"Spearman's correlation of mean distance and CKA with {beside.layers[0]} of "
        f"{beside.units.model}, over {len(beside.own.subsets)} subsets of the heads of "
        f"{beside.heads.own.attrs['block']} of {beside.heads.model}; it is taken to fall below "
        f"{FALLS:g}",
        Side(f"{FALLS:g}", _level(beside.own.rho), None if twin is None else _level(twin)),
        Side("correlation", _first(beside.own.rho), None if twin is None else _first(twin)),
    )


def _first(rho: Resampled) -> Resampled:
    return rho.of(lambda each: each[:, 0])


def _level(rho: Resampled) -> Resampled:
    return rho.of(lambda each: np.full(len(each), FALLS))


def figure(beside: _Beside) -> Figure:
    """CKA of every subset with every unit, by the mean distance of the subset."""
    curves = []
    for one, kind in ((beside.own, "trained"), (beside.twin, "untrained")):
        if one is None:
            continue
        ends = one.cka.interval if kind == "trained" else None
        value = one.cka.value.reshape(len(one.subsets), -1)
        low, high = (None, None) if ends is None else (end.reshape(value.shape) for end in ends)
        curves += [
            draw.Curve(
                layer,
                one.distance.value,
                value[:, at],
                None if low is None else low[:, at],
                None if high is None else high[:, at],
                kind="trained" if kind == "trained" else "untrained",
            )
            for at, layer in enumerate(beside.layers)
        ]
    title = f"{beside.heads.model} and {beside.units.model}"
    return drawn(
        "heads-against-resnet",
        draw.panels(
            [draw.Panel(title, "CKA", curves)],
            along="mean attention distance of the heads (pixels)",
        ),
        alt=" ".join(words(found) for found in claims(beside)) or f"Heads of {title}.",
        caption=f"CKA of heads of {beside.heads.own.attrs['block']} of {beside.heads.model}, local "
        f"ones left, with the lowest residual units of {beside.units.model}; bands are 95 % "
        "intervals over groups of images.",
        data=ANALYSIS,
        models=[beside.heads.model, beside.units.model],
    )


def table(beside: _Beside) -> Table:
    """A row a subset and unit, the untrained twins' beside."""
    twin = beside.twin and list(_cells(beside.twin, beside.layers))
    rows: list[tuple[reports.Cell, ...]] = [
        (
            " ".join(map(str, subset)),
            layer,
            distance,
            similar,
            # The untrained twin's heads have another order: the subset in the same place.
            None if not twin else twin[at][3],
        )
        for at, (subset, layer, distance, similar) in enumerate(_cells(beside.own, beside.layers))
    ]
    return Table(
        ("heads", "unit", "mean distance", "CKA", "untrained, same place in the order"),
        tuple(rows),
        caption=f"Subsets of the heads of {beside.heads.model}, local to global, and residual "
        f"units of {beside.units.model}, with 95 % intervals over groups of images.",
        decimals=2,
    )
