"""The section on heads against a ResNet (E4): CKA of local and of global heads with its units."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.experiments.attention import subsets_case
from seelike.analysis.claims.findings import case_sentence
from seelike.analysis.claims.results import ModelResult, by_role
from seelike.analysis.figures.comparison.curves import Kind
from seelike.analysis.similarity.parts.head_subsets import Agreement, Parts, agreement
from seelike.storage.reports import write
from seelike.storage.reports.write import Csv, Figure, Section, Table
from seelike.tasks.anatomy.heads import HEADS, UNITS
from seelike.tasks.reports.elements.claims import cell
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import checks_of, load_results, section_of
from seelike.tasks.results import AnatomyResult

ANALYSIS = "heads"


@dataclass(frozen=True)
class _Beside:
    """The heads of one model beside the lowest units of another, and of their untrained twins."""

    heads: ModelResult
    units: ModelResult
    own: Agreement
    untrained: Agreement | None

    @property
    def layers(self) -> list[str]:
        return [str(name) for name in self.units.own["part"].values]


def section(reference: AnatomyResult) -> Section:
    """What was found of heads beside a ResNet."""
    each = load_results(reference, ANALYSIS)
    beside = _beside(each)
    return section_of(
        reference,
        ANALYSIS,
        "Heads against a ResNet",
        "What heads of one attention of a ViT put out, a quarter of its heads at a time from the "
        "most local to the most global, and CKA of each such subset with the lowest residual units "
        "of a ResNet on the same images.",
        checks=checks_of(map(_case, beside), each),
        sentences=() if beside else ("It takes a ViT and a ResNet in one study: one is missing.",),
        figures=(figure(beside),) if beside else (),
        table=table(beside) if beside else None,
    )


def data(reference: AnatomyResult) -> Iterator[Csv]:
    """A line a subset and unit."""
    beside = _beside(load_results(reference, ANALYSIS))
    if not beside:
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = ("", "_low", "_high")
    names = [f"{name}{end}" for name in ("distance", "cka") for end in ends]
    writer.writerow(("model", "resnet", "trained", "heads", "unit", *names))
    for pair in beside:
        for one, trained in ((pair.own, True), (pair.untrained, False)):
            for subset, unit, distance, cka in _cells(one, pair.layers) if one else ():
                numbers = [n for e in (distance, cka) for n in (e.value, e.low, e.high)]
                heads = " ".join(map(str, subset))
                row = (pair.heads.model, pair.units.model, trained, heads, unit)
                writer.writerow((*row, *("" if n is None else n for n in numbers)))
    yield Csv("heads", text.getvalue(), "one line a subset of heads and residual unit: CKA")


def _cells(
    one: Agreement, layers: Sequence[str]
) -> Iterator[tuple[tuple[int, ...], str, write.Estimate, write.Estimate]]:
    similar = one.cka.estimates
    for at, (subset, distance) in enumerate(zip(one.subsets, one.distance.estimates, strict=True)):
        for column, layer in enumerate(layers):
            yield subset, layer, cell(distance), cell(similar[at * len(layers) + column])


def _beside(each: Sequence[ModelResult]) -> list[_Beside]:
    """A ViT's heads and a ResNet's units, seed by seed; without these the first of each kind."""
    heads = [one for one in each if one.own.attrs["kind"] == HEADS]
    units = [one for one in each if one.own.attrs["kind"] == UNITS]
    casts = [cast for cast in by_role(each) if {"vit", "resnet"} <= set(cast)]
    found = {(c["vit"].model, c["resnet"].model): (c["vit"], c["resnet"]) for c in casts}
    pairs = [(a, b) for a, b in found.values() if a in heads and b in units]
    if not pairs and heads and units:
        pairs = [(heads[0], units[0])]
    return [_both(one, other) for one, other in pairs]


def _both(one: ModelResult, other: ModelResult) -> _Beside:
    before = None
    if one.untrained is not None and other.untrained is not None:
        before = _agreement(one.untrained, other.untrained)
    return _Beside(one, other, _agreement(one.own, other.own), before)


def _agreement(heads: xr.Dataset, units: xr.Dataset) -> Agreement:
    images = heads["batch_images"].values
    return agreement(_parts(heads), heads["distance"].values, _parts(units), images=images)


def _case(one: _Beside) -> Case:
    return subsets_case(one.heads, one.units, one.own, one.untrained)


def _parts(dataset: xr.Dataset) -> Parts:
    return Parts(dataset["direction"].values, dataset["length"].values)


def figure(beside: Sequence[_Beside]) -> Figure:
    """CKA of every subset with every unit, by the mean distance of the subset; a panel a pair."""
    panels = [
        draw.Panel(f"{one.heads.model} and {one.units.model}", "CKA", list(_curves(one)))
        for one in beside
    ]
    first = beside[0]
    return render_figure(
        "heads-against-resnet",
        draw.panels(panels, along="mean attention distance of the heads (pixels)"),
        alt=" ".join(map(_words, beside)),
        caption=f"CKA of heads of {first.heads.own.attrs['block']}, local ones left, with the "
        "lowest residual units; bands are 95 % intervals over groups of images.",
        data=ANALYSIS,
        models=list(dict.fromkeys(m for one in beside for m in (one.heads.model, one.units.model))),
    )


def _words(beside: _Beside) -> str:
    """How alike the most local and the most global heads and the lowest unit are, then the claim.

    Of networks with too few heads the claim has no number.
    """
    own, unit = beside.own, beside.layers[0]
    cka = own.cka.value.reshape(len(own.subsets), -1)[:, 0]
    near, far = (f"{cka[at]:.2f} at {own.distance.value[at]:.1f} pixels" for at in (0, -1))
    return (
        f"CKA of heads of {beside.heads.model} with {unit} of {beside.units.model} is {near} on "
        f"average and {far}. {case_sentence(_case(beside))}"
    )


def _curves(beside: _Beside) -> Iterator[draw.Curve]:
    kinds: tuple[tuple[Agreement | None, Kind], ...] = (
        (beside.own, "trained"),
        (beside.untrained, "untrained"),
    )
    for one, kind in kinds:
        if one is None:
            continue
        ends = one.cka.interval if kind == "trained" else None
        value = one.cka.value.reshape(len(one.subsets), -1)
        low, high = (None, None) if ends is None else (end.reshape(value.shape) for end in ends)
        for at, layer in enumerate(beside.layers):
            yield draw.Curve(
                layer,
                one.distance.value,
                value[:, at],
                None if low is None else low[:, at],
                None if high is None else high[:, at],
                kind=kind,
            )


def table(beside: Sequence[_Beside]) -> Table:
    """A row a subset and unit, those before training beside."""
    return Table(
        ("model", "heads", "unit", "mean distance", "CKA", "untrained, same place in the order"),
        tuple(row for one in beside for row in _rows(one)),
        caption="Subsets of heads, local to global, and residual units, with 95 % intervals over "
        "groups of images.",
        decimals=2,
    )


def _rows(beside: _Beside) -> Iterator[tuple[write.Cell, ...]]:
    before = beside.untrained and list(_cells(beside.untrained, beside.layers))
    for at, (subset, layer, distance, similar) in enumerate(_cells(beside.own, beside.layers)):
        yield (
            beside.heads.model,
            " ".join(map(str, subset)),
            layer,
            distance,
            similar,
            # Untrained heads have another order: the subset in the same place.
            None if not before else before[at][3],
        )
