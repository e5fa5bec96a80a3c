"""Without skips (E7): networks trained without the skip connections of one block."""

import csv
import io
from collections.abc import Iterator

import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims import matrix_statistics as structure
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.findings import ComparedModels, Side, Trial, case_sentence
from seelike.storage.reports.write import Csv, Figure, Section, Table
from seelike.tasks.reports.comparison.single_factor.accuracy_drop import drop, drop_words
from seelike.tasks.reports.comparison.single_factor.card_accuracy import accuracy
from seelike.tasks.reports.comparison.single_factor.skip_free_models import (
    SkipFreeModel,
    cka_across_block,
    cka_beside_block,
    rows_of,
    skip_free_models,
)
from seelike.tasks.reports.elements.claims import cell, checks
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.methods.comparison import ACROSS, cka_method

EXPERIMENT = "E7"
DATA = "skip-free"


def section(dataset: xr.Dataset, measured: ComparedModels) -> Section | None:
    """Heatmaps of networks without the skips of one block, numbers across it, accuracy."""
    each = skip_free_models(dataset, measured)
    if not each:
        return None
    found = [collapse(measured, one) for one in each]
    return Section(
        "Without the skip connections of one block",
        paragraphs=(
            "Networks trained without the two skip connections of one block, beside the same "
            "network with all of them: how alike layers below the block are to layers above it.",
            *(words for one in each if (words := drop_words(dataset, one))),
        ),
        checks=checks(
            [*found, *(row for one in each if (row := drop(dataset, one)) is not None)],
            measured.facts,
        ),
        figures=tuple(figures(dataset, measured, each, found)),
        tables=(table(dataset, measured, each),),
        method=cka_method(dataset, ACROSS),
    )


def data(dataset: xr.Dataset, measured: ComparedModels) -> Iterator[Csv]:
    """A line a network, trained or not, and block: CKA across it and beside it."""
    each = skip_free_models(dataset, measured)
    if not each:
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"{name}{end}" for name in ("across", "beside") for end in ("", "_low", "_high")]
    writer.writerow(("block", "model", *names))
    for one in each:
        for model in rows_of(measured, one):
            numbers = (
                cka_across_block(measured, one, model),
                cka_beside_block(measured, one, model),
            )
            cells = [
                "" if number is None or value is None else value
                for number in numbers
                for value in (
                    (number.value, number.low, number.high) if number else (None, None, None)
                )
            ]
            writer.writerow((one.block, model, *cells))
    yield Csv(DATA, text.getvalue(), "one line a network and block: mean CKA across it, beside it")


def collapse(measured: ComparedModels, one: SkipFreeModel) -> Case:
    """Whether layers across the block are less alike than where it has its skips."""
    number = one.number(structure.across_block)
    trial = Trial(
        "E7-collapse",
        f"mean CKA of layers below block {one.block} with layers above it",
        Side(f"of {one.intact}", one.intact, one.intact, number),
        Side(f"of {one.model}", one.model, one.model, number),
    )
    return measured.case(trial)


def figures(
    dataset: xr.Dataset, measured: ComparedModels, each: list[SkipFreeModel], found: list[Case]
) -> Iterator[Figure]:
    """Heatmaps on one scale, and the numbers as dots."""
    models = [*dict.fromkeys(one.intact for one in each), *(one.model for one in each)]
    yield render_figure(
        "skip-free",
        draw.beside(dataset, models, marks={one.model: one.above - 0.5 for one in each}),
        alt=" ".join(map(case_sentence, found)),
        caption="CKA between all layers of each network, on one colour scale; dashed lines: the "
        "block without skips. Below, where there are two rows, the networks before training.",
        data="cka",
    )
    dots = []
    trained_as = {twin: model for model, twin in measured.baselines.items()}
    for one in each:
        for model in rows_of(measured, one):
            trained = model in measured.families
            name = model if trained else trained_as[model]
            for title, number in (
                (f"across block {one.block}", cka_across_block(measured, one, model)),
                (f"on one side of block {one.block}", cka_beside_block(measured, one, model)),
            ):
                if number is not None:
                    dots.append(
                        draw.Dot(title, name, name, number.value, number.low, number.high, trained)
                    )
    yield render_figure(
        "skip-free-numbers",
        draw.checks(dots, colours=draw.colours(dataset)),
        alt=" ".join(map(case_sentence, found)),
        caption="Mean CKA of layers below a block with layers above it, and of layers on one side "
        "of it; lines are 95 % intervals over batches of images.",
        data=DATA,
    )


def table(dataset: xr.Dataset, measured: ComparedModels, each: list[SkipFreeModel]) -> Table:
    """The same numbers, and accuracy."""
    rows = []
    for one in each:
        for model in rows_of(measured, one):
            side = cka_beside_block(measured, one, model)
            rows.append(
                (
                    f"block {one.block}",
                    model,
                    cell(cka_across_block(measured, one, model)),
                    None if side is None else cell(side),
                    accuracy(dataset, model),
                )
            )
    return Table(
        ("skips", "network", "CKA across the block", "on one side of it", "test accuracy"),
        tuple(rows),
        caption="Mean CKA of layers, with 95 % intervals over batches of images; accuracy as on "
        "the card, with its binomial interval.",
    )
