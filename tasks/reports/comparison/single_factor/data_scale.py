"""Data scale (E11): networks trained on part of the data beside those trained on all of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims import matrix_statistics as structure
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.findings import ComparedModels, Side, Trial, format_estimate
from seelike.analysis.claims.relations import relations
from seelike.storage.digest import slug
from seelike.storage.reports.write import Csv, Figure, Section, Table
from seelike.tasks.reports.comparison.single_factor.card_accuracy import accuracy
from seelike.tasks.reports.comparison.single_factor.paired_layers import (
    Pair,
    corresponding,
    curve,
    lines,
)
from seelike.tasks.reports.elements.claims import cell, checks
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.methods.comparison import HALVES, SAME, cka_method

EXPERIMENT = "E11"
DATA = "data-scale"


@dataclass(frozen=True)
class Scale:
    """Networks of one architecture: trained on ``fractions`` of the data, ascending, and ``full``.

    ``untrained`` is the network before its training, where the comparison has it.
    """

    fractions: tuple[str, ...]
    full: tuple[str, ...]
    untrained: str | None

    @property
    def pairs(self) -> list[Pair]:
        """What is compared: fractions and the untrained network with the full ones, these too."""
        partial = [*self.fractions, *([self.untrained] if self.untrained else [])]
        return [(one, full) for full in self.full for one in partial] + self.ceiling

    @property
    def ceiling(self) -> list[Pair]:
        """The full networks of two seeds, where there are two."""
        return [(self.full[0], other) for other in self.full[1:]]


def scales(dataset: xr.Dataset, measured: ComparedModels) -> list[Scale]:
    """The architectures with networks trained on part of the data, compared at the same taps."""
    known = relations(dataset)
    groups: dict[tuple[str, ...], list[str]] = {}
    for model in measured.families:
        full = known.full(model) if model in known.facts else []
        full = [other for other in full if corresponding(dataset, measured, (model, other))]
        if full:
            groups.setdefault(tuple(full), []).append(model)
    return [
        Scale(
            tuple(sorted(fractions, key=known.fraction)), full, measured.baselines.get(fractions[0])
        )
        for full, fractions in groups.items()
    ]


def section(dataset: xr.Dataset, measured: ComparedModels) -> Section | None:
    """CKA per layer of networks trained on part of the data with those trained on all."""
    found = scales(dataset, measured)
    if not found:
        return None
    found_cases = [one for scale in found for one in cases(dataset, measured, scale)]
    return Section(
        "Data scale",
        paragraphs=(
            "How alike the same layers of two networks are: one trained on part of the data, in "
            "as many steps, the other on all of it. Two networks trained on all of it from two "
            "seeds are the ceiling, the untrained network is what no data leaves.",
            *(words(measured, scale, fraction) for scale in found for fraction in scale.fractions),
        ),
        checks=checks(found_cases, measured.facts),
        figures=tuple(figure(dataset, measured, scale) for scale in found),
        tables=tuple(table(dataset, measured, scale) for scale in found),
        method=cka_method(dataset, SAME, HALVES),
    )


def data(dataset: xr.Dataset, measured: ComparedModels) -> Iterator[Csv]:
    """A line a layer of every two networks of one architecture."""
    found = scales(dataset, measured)
    if found:
        text = lines(dataset, measured, [pair for scale in found for pair in scale.pairs])
        yield Csv(DATA, text, "one line a layer of two networks of one architecture: their CKA")


def cases(dataset: xr.Dataset, measured: ComparedModels, scale: Scale) -> Iterator[Case]:
    """Whether lower layers stay more alike: for every ViT, with the full one of another seed.

    Where there is no other seed, with its own: initial weights in common make lower layers alike.
    """
    known = relations(dataset)
    for model in scale.fractions:
        if measured.families[model] != "vit":
            continue
        own = known.seed(model)
        full = next((one for one in scale.full if known.seed(one) != own), scale.full[0])
        baseline = {model: scale.untrained} if scale.untrained else None
        yield measured.case(halves((model, full)), baseline=baseline)


def halves(pair: Pair) -> Trial:
    """The claim, put to any two networks of one architecture."""
    model, full = pair
    return Trial(
        "E11-lower",
        f"mean CKA of the same layers of {model} and {full}",
        Side("lower half", model, full, structure.same_lower_half),
        Side("upper half", model, full, structure.same_upper_half),
    )


def words(measured: ComparedModels, scale: Scale, model: str) -> str:
    """How alike ``model`` and the full networks are, in a sentence."""
    told = []
    for full in scale.full:
        lower, upper = (
            measured.estimate(Side("", model, full, number))
            for number in (structure.same_lower_half, structure.same_upper_half)
        )
        told.append(f"with {full} {format_estimate(lower)} and {format_estimate(upper)}")
    return f"{model}: mean CKA in the lower and in the upper half {'; '.join(told)}."


def figure(dataset: xr.Dataset, measured: ComparedModels, scale: Scale) -> Figure:
    """A panel a full network: its layers with the same ones of all others."""
    known = relations(dataset)
    partial = {model: f"{100 * known.fraction(model):g} % of the data" for model in scale.fractions}
    panels = []
    for full in scale.full:
        curves = [
            curve(dataset, measured, (other, full), label="ceiling: two seeds", kind="ceiling")
            for other in scale.full
            if other != full
        ]
        curves += [
            curve(dataset, measured, (model, full), label=label, kind="trained")
            for model, label in partial.items()
        ]
        if scale.untrained:
            pair = (scale.untrained, full)
            curves.append(curve(dataset, measured, pair, label="untrained", kind="untrained"))
        same = {known.seed(model) for model in scale.fractions} == {known.seed(full)}
        title = f"with {full}" + (", of the same seed" if same else "")
        panels.append(draw.Panel(title, "CKA of the same layers", curves))
    return render_figure(
        f"data-scale-{slug(scale.full[0])}",
        draw.panels(panels, along="depth (0 input, 1 output)"),
        alt=" ".join(words(measured, scale, model) for model in scale.fractions),
        caption=f"CKA of the layers of networks trained on part of the data with the same layers "
        f"of {' and of '.join(scale.full)}, trained on all of it; bands are 95 % intervals over "
        "batches of images.",
        data=DATA,
    )


def table(dataset: xr.Dataset, measured: ComparedModels, scale: Scale) -> Table:
    """The halves of every pair of the figure, and how accurate its first network is."""
    rows = []
    for model, full in scale.pairs:
        both = measured.contrast(halves((model, full)))
        numbers = (cell(one) for one in (both.first[1], both.second[1], both.difference))
        rows.append((model, accuracy(dataset, model), full, *numbers))
    return Table(
        ("network", "its test accuracy", "with", "lower half", "upper half", "difference"),
        tuple(rows),
        caption="Mean CKA of the same layers, with 95 % intervals over batches of images; accuracy "
        "as on the card.",
    )
