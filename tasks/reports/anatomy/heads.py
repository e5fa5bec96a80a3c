"""Section on heads against a ResNet (E4): CKA of local and global heads with its units."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.experiments.attention import subsets_case
from seelike.analysis.claims.findings import case_sentence
from seelike.analysis.claims.results import ModelResult, by_role
from seelike.analysis.figures.comparison.curves import Kind
from seelike.analysis.similarity import Estimate
from seelike.analysis.similarity.parts.head_subsets import Agreement, Parts, agreement
from seelike.storage.reports import write
from seelike.storage.reports.write import Csv, Figure, Section, Table
from seelike.tasks.anatomy.heads import HEADS, UNITS
from seelike.tasks.reports.anatomy.section import section_of
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import AnalysisResults
from seelike.tasks.reports.elements.tables import columns_of, csv_file, ends

ANALYSIS = "heads"


@dataclass(frozen=True)
class HeadsAndUnits:
    """Agreement of a ViT's heads with the lowest units of a ResNet, and of their baselines."""

    heads: ModelResult
    units: ModelResult
    own: Agreement
    untrained: Agreement | None

    @property
    def layers(self) -> list[str]:
        """Names of the units."""
        return [str(name) for name in self.units.own["part"].values]


def section(results: AnalysisResults) -> Section:
    """Build the section."""
    each = results.each
    pairs = heads_and_units(each)
    return section_of(
        results,
        "Heads against a ResNet",
        "CKA of the outputs of one attention of a ViT, a quarter of its heads at a time from the "
        "most local to the most global, with the lowest residual units of a ResNet on the same "
        "images.",
        checks=results.checks_of(map(_case, pairs)),
        sentences=() if pairs else ("This section needs a ViT and a ResNet: one is missing.",),
        figures=(figure(pairs),) if pairs else (),
        tables=(table(pairs),) if pairs else (),
        data=(_csv(pairs),) if pairs else (),
    )


def _csv(pairs: Sequence[HeadsAndUnits]) -> Csv:
    header = ("model", "resnet", "trained", "heads", "unit", *columns_of(["distance", "cka"]))
    rows = (
        (
            *(pair.heads.model, pair.units.model, trained, " ".join(map(str, subset)), unit),
            *(*ends(distance), *ends(cka)),
        )
        for pair in pairs
        for one, trained in ((pair.own, True), (pair.untrained, False))
        if one is not None
        for subset, unit, distance, cka in _cells(one, pair.layers)
    )
    return csv_file(ANALYSIS, "one line per subset of heads and residual unit: CKA", header, rows)


def _cells(
    one: Agreement, layers: Sequence[str]
) -> Iterator[tuple[tuple[int, ...], str, Estimate, Estimate]]:
    similar = one.cka.estimates
    for at, (subset, distance) in enumerate(zip(one.subsets, one.distance.estimates, strict=True)):
        for column, layer in enumerate(layers):
            yield subset, layer, distance, similar[at * len(layers) + column]


def heads_and_units(each: Sequence[ModelResult]) -> list[HeadsAndUnits]:
    """Heads of a ViT and units of a ResNet, seed by seed; else the first model of each kind."""
    heads = [one for one in each if one.own.attrs["kind"] == HEADS]
    units = [one for one in each if one.own.attrs["kind"] == UNITS]
    casts = [cast for cast in by_role(each) if {"vit", "resnet"} <= set(cast)]
    found = {(c["vit"].model, c["resnet"].model): (c["vit"], c["resnet"]) for c in casts}
    pairs = [(a, b) for a, b in found.values() if a in heads and b in units]
    if not pairs and heads and units:
        pairs = [(heads[0], units[0])]
    return [_both(one, other) for one, other in pairs]


def _both(one: ModelResult, other: ModelResult) -> HeadsAndUnits:
    before = None
    if one.untrained is not None and other.untrained is not None:
        before = _agreement(one.untrained, other.untrained)
    return HeadsAndUnits(one, other, _agreement(one.own, other.own), before)


def _agreement(heads: xr.Dataset, units: xr.Dataset) -> Agreement:
    images = heads["batch_images"].values
    return agreement(_parts(heads), heads["distance"].values, _parts(units), images=images)


def _case(one: HeadsAndUnits) -> Case:
    return subsets_case(one.heads, one.units, one.own, one.untrained)


def _parts(dataset: xr.Dataset) -> Parts:
    return Parts(dataset["direction"].values, dataset["length"].values)


def figure(beside: Sequence[HeadsAndUnits]) -> Figure:
    """CKA of every subset with every unit, by mean distance of the subset; a panel per pair."""
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
        "lowest residual units. Bands are 95 % intervals over groups of images.",
        data=ANALYSIS,
        models=list(dict.fromkeys(m for one in beside for m in (one.heads.model, one.units.model))),
    )


def _words(beside: HeadsAndUnits) -> str:
    """CKA of the most local and most global heads with the lowest unit, then the claim."""
    own, unit = beside.own, beside.layers[0]
    cka = own.cka.value.reshape(len(own.subsets), -1)[:, 0]
    near, far = (f"{cka[at]:.2f} at {own.distance.value[at]:.1f} pixels" for at in (0, -1))
    return (
        f"CKA of heads of {beside.heads.model} with {unit} of {beside.units.model} is {near} on "
        f"average and {far}. {case_sentence(_case(beside))}"
    )


def _curves(beside: HeadsAndUnits) -> Iterator[draw.Curve]:
    kinds: tuple[tuple[Agreement | None, Kind], ...] = (
        (beside.own, "trained"),
        (beside.untrained, "untrained"),
    )
    for one, kind in kinds:
        if one is None:
            continue
        interval = one.cka.interval if kind == "trained" else None
        value = one.cka.value.reshape(len(one.subsets), -1)
        low, high = (None, None) if interval is None else (e.reshape(value.shape) for e in interval)
        for at, layer in enumerate(beside.layers):
            yield draw.Curve(
                layer,
                one.distance.value,
                value[:, at],
                None if low is None else low[:, at],
                None if high is None else high[:, at],
                kind=kind,
            )


def table(beside: Sequence[HeadsAndUnits]) -> Table:
    """A row per subset and unit, with the untrained baseline."""
    return Table(
        (
            "model",
            "heads",
            "unit",
            "mean distance",
            "CKA",
            "untrained, same place in order",
        ),
        tuple(row for one in beside for row in _rows(one)),
        caption="Subsets of heads, local to global, and residual units, with 95 % intervals over "
        "groups of images.",
        decimals=2,
    )


def _rows(beside: HeadsAndUnits) -> Iterator[tuple[write.Cell, ...]]:
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
