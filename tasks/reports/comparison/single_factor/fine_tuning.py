"""Fine-tuning (E13): the layers of a network before and after."""

from collections.abc import Iterator

import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims import matrix_statistics as structure
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.findings import ComparedModels, Side, Trial, case_sentence
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
from seelike.tasks.reports.methods.comparison import QUARTER_ENDS, SAME, cka_method

EXPERIMENT = "E13"
DATA = "fine-tuning"


def tuned(dataset: xr.Dataset, measured: ComparedModels) -> list[Pair]:
    """Every network that was fine-tuned, and what it was fine-tuned from."""
    known = relations(dataset)
    pairs = [(model, known.start(model)) for model in measured.families if model in known.facts]
    return [
        (model, start)
        for model, start in pairs
        if start is not None and corresponding(dataset, measured, (model, start))
    ]


def section(dataset: xr.Dataset, measured: ComparedModels) -> Section | None:
    """CKA per layer of networks with what they were fine-tuned from."""
    pairs = tuned(dataset, measured)
    if not pairs:
        return None
    found = [case(measured, pair) for pair in pairs]
    return Section(
        "Before and after fine-tuning",
        paragraphs=(
            "How alike the same layers of a network are before and after it was fine-tuned, on "
            "the images of this study. The first and last quarters of the layers are rounded up.",
        ),
        checks=checks(found, measured.facts),
        figures=tuple(
            figure(dataset, measured, pair, one) for pair, one in zip(pairs, found, strict=True)
        ),
        tables=(table(dataset, measured, pairs),),
        method=cka_method(dataset, SAME, QUARTER_ENDS),
    )


def data(dataset: xr.Dataset, measured: ComparedModels) -> Iterator[Csv]:
    """A line a layer of every network and what it was fine-tuned from, and of their baselines."""
    pairs = tuned(dataset, measured)
    if pairs:
        every = [one for pair in pairs for one in (pair, *beside(dataset, measured, pair))]
        text = lines(dataset, measured, dict.fromkeys(every))
        yield Csv(DATA, text, "one line a layer of two networks: before and after, and baselines")


def case(measured: ComparedModels, pair: Pair) -> Case:
    """Whether the first layers were kept more than the last; with the untrained network beside."""
    model, start = pair
    twin = measured.baselines.get(start)
    return measured.case(quarters(pair), baseline={model: twin} if twin else None)


def quarters(pair: Pair) -> Trial:
    """The claim, put to any two networks of one architecture."""
    model, start = pair
    return Trial(
        "E13-preserved",
        f"mean CKA of the same layers of {model} and {start}",
        Side("first quarter", model, start, structure.same_first_quarter),
        Side("last quarter", model, start, structure.same_last_quarter),
    )


def beside(dataset: xr.Dataset, measured: ComparedModels, pair: Pair) -> list[Pair]:
    """What stands beside it: other seeds of the start, and the start before it was trained."""
    _, start = pair
    twin = measured.baselines.get(start)
    others = [
        other for other in relations(dataset).other_seeds(start) if other in measured.families
    ]
    found = [(other, start) for other in (*others, *([twin] if twin else []))]
    return [one for one in found if corresponding(dataset, measured, one)]


def figure(dataset: xr.Dataset, measured: ComparedModels, pair: Pair, found: Case) -> Figure:
    """The same layers before and after, by depth."""
    model, start = pair
    untrained = set(measured.baselines.values())
    curves = [
        curve(
            dataset,
            measured,
            one,
            label="untrained" if one[0] in untrained else f"ceiling: two seeds of {start}",
            kind="untrained" if one[0] in untrained else "ceiling",
        )
        for one in beside(dataset, measured, pair)
    ]
    curves.append(curve(dataset, measured, pair, label=f"{model}, fine-tuned", kind="trained"))
    panel = draw.Panel(f"with {start}", "CKA of the same layers", curves)
    return render_figure(
        f"fine-tuning-{slug(model)}",
        draw.panels([panel], along="depth (0 input, 1 output)"),
        alt=case_sentence(found),
        caption=f"CKA of {model}'s layers with the same layers of {start}, which it was "
        "fine-tuned from; the band is a 95 % interval over batches of images.",
        data=DATA,
    )


def table(dataset: xr.Dataset, measured: ComparedModels, pairs: list[Pair]) -> Table:
    """The quarters of every pair of the figures."""
    rows = []
    for pair in pairs:
        for model, start in (pair, *beside(dataset, measured, pair)):
            both = measured.contrast(quarters((model, start)))
            rows.append(
                (
                    model,
                    accuracy(dataset, model),
                    start,
                    cell(both.first[1]),
                    cell(both.second[1]),
                    cell(both.difference),
                )
            )
    return Table(
        ("network", "its test accuracy", "with", "first quarter", "last quarter", "difference"),
        tuple(rows),
        caption="Mean CKA of the same layers, with 95 % intervals over batches of images; accuracy "
        "as on the card, on the data that a network was trained on last.",
    )
