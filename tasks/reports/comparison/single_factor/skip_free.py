"""Section on networks trained without the skip connections of one block (E7)."""

from collections.abc import Iterator, Sequence

from seelike.analysis import figures as draw
from seelike.analysis.claims import matrix_statistics as structure
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.findings import ComparedModels, Side, Trial, case_sentence
from seelike.storage.reports.write import Csv, Figure, Section, Table
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.single_factor.card_accuracy import (
    accuracy_drop,
    seed_accuracies,
)
from seelike.tasks.reports.comparison.single_factor.skip_free_models import (
    BlockNumbers,
    SkipFreeModel,
    block_numbers,
    skip_free_models,
)
from seelike.tasks.reports.elements.claims import checks
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.tables import columns_of, csv_file, ends
from seelike.tasks.reports.methods.comparison import ACROSS, cka_method

DATA = "skip-free"


def section(view: ComparisonView) -> Section | None:
    """Build the section: heatmaps, CKA across the block, test accuracy."""
    each = skip_free_models(view)
    if not each:
        return None
    collapses = [collapse(view.measured, one) for one in each]
    drops = [drop for one in each if (drop := accuracy_drop(view, one)) is not None]
    numbers = [one for model in each for one in block_numbers(view, model)]
    seeds = [seed_accuracies(view, intact) for intact in dict.fromkeys(m.intact for m in each)]
    return Section(
        "Without the skip connections of one block",
        paragraphs=(
            "Networks trained without the two skip connections of one block, beside the same "
            "network with all of them: similarity of layers below the block to layers above it.",
            *filter(None, seeds),
        ),
        checks=checks([*collapses, *drops], view.measured.facts),
        figures=tuple(figures(view, each, numbers, alt=" ".join(map(case_sentence, collapses)))),
        tables=(table(view, numbers),),
        method=cka_method(view.dataset, ACROSS),
        data=(_csv(numbers),),
    )


def collapse(measured: ComparedModels, one: SkipFreeModel) -> Case:
    """The claim that layers across the block are less alike than with its skips."""
    number = one.number(structure.across_block)
    trial = Trial(
        "E7-collapse",
        f"mean CKA of layers below block {one.block} with layers above it",
        Side(f"of {one.intact}", one.intact, one.intact, number),
        Side(f"of {one.model}", one.model, one.model, number),
    )
    return measured.case(trial)


def _csv(numbers: Sequence[BlockNumbers]) -> Csv:
    about = "one line per network and block: mean CKA across the block, and on one side of it"
    header = ("block", "model", *columns_of(["across", "beside"]))
    rows = ((one.block, one.model, *ends(one.across), *ends(one.beside)) for one in numbers)
    return csv_file(DATA, about, header, rows)


def figures(
    view: ComparisonView,
    each: Sequence[SkipFreeModel],
    numbers: Sequence[BlockNumbers],
    *,
    alt: str,
) -> Iterator[Figure]:
    """Heatmaps on one scale, and the numbers as dots."""
    models = [*dict.fromkeys(one.intact for one in each), *(one.model for one in each)]
    yield render_figure(
        "skip-free",
        draw.beside(view.dataset, models, marks={one.model: one.above - 0.5 for one in each}),
        alt=alt,
        caption="CKA between all layers of each network, on one colour scale. Dashed lines mark "
        "the block without skips. The lower of two rows shows the untrained baselines.",
        data="cka",
    )
    owners = {baseline: model for model, baseline in view.measured.baselines.items()}
    dots = []
    for one in numbers:
        name = owners.get(one.model, one.model)
        for title, number in (
            (f"across block {one.block}", one.across),
            (f"on one side of block {one.block}", one.beside),
        ):
            if number is not None:
                values = (number.value, number.low, number.high)
                dots.append(draw.Dot(title, name, name, *values, trained=one.model not in owners))
    yield render_figure(
        "skip-free-numbers",
        draw.checks(dots, colours=draw.colours(view.dataset)),
        alt=alt,
        caption="Mean CKA of layers below a block with layers above it, and of layers on one side "
        "of it. Lines are 95 % intervals over batches of images.",
        data=DATA,
    )


def table(view: ComparisonView, numbers: Sequence[BlockNumbers]) -> Table:
    """The same numbers, and accuracy."""
    return Table(
        ("skips", "network", "CKA across the block", "on one side of it", "test accuracy"),
        tuple(
            (
                f"block {one.block}",
                one.model,
                one.across,
                one.beside,
                view.accuracy(one.model),
            )
            for one in numbers
        ),
        caption="Mean CKA of layers, with 95 % intervals over batches of images. Accuracy from "
        "the card, with its binomial interval.",
    )
