"""The report of a training: how accurate every network is, and how it got there."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.storage.networks import zoo as shelf
from seelike.storage.reports import write
from seelike.storage.reports.write import Csv, Group, Page, Section, Table
from seelike.tasks.reports.comparison.report import NOTHING
from seelike.tasks.reports.elements.prefect_artifacts import show_report
from seelike.tasks.reports.training.figures import (
    Card,
    accuracy,
    curves,
    data_figure,
    dots,
    seconds,
    steps,
)
from seelike.tasks.runtime.retries import RETRIED
from seelike.tasks.runtime.run_log import run_log


@dataclass(frozen=True)
class TrainingResult:
    """What was trained: the checkpoints, each with its card beside it, and the report."""

    checkpoints: tuple[Path, ...]
    report: str


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIED)
def write_training(
    names: Sequence[str],
    *,
    output: Path,
    folder: str,
    study: str,
    missing: Mapping[str, str] = NOTHING,
) -> TrainingResult:
    """Draw and write the report of the networks ``names`` in ``output`` into ``folder``.

    ``missing`` says why networks of the study are not in it.
    """
    drawn = page([shelf.card(name, output) for name in names], missing=missing)
    index = write.write(folder, drawn)
    show_report(drawn, study=f"{study} training", report=index)
    run_log().info(f"report: {index}")
    return TrainingResult(tuple(output / f"{name}.safetensors" for name in names), index)


def page(cards: Sequence[Card], *, missing: Mapping[str, str] = NOTHING) -> Page:
    """The whole report, as a page to be rendered."""
    best = max(cards, key=lambda card: float(card["test"]["accuracy"]))
    networks = "1 network" if len(cards) == 1 else f"{len(cards)} networks"
    sections = [
        Section("Accuracy", figures=(dots(cards),), tables=(table(cards),)),
        Section("Along the steps", figures=tuple(curves(cards))),
    ]
    by_data = data_figure(cards)
    if by_data is not None:
        sections.insert(1, Section("Accuracy against data", figures=(by_data,)))
    return Page(
        title="How were the networks trained?",
        lead=(
            f"{networks}; the most accurate is {best['name']}, with "
            f"{100 * best['test']['accuracy']:.2f} % of {best['test']['total']} test images right.",
        ),
        sections=tuple(sections),
        provenance=tuple(_provenance(cards)),
        data=tuple(data(cards)),
        warnings=tuple(
            f"Network {name!r} of the study is missing here, it failed: {why}."
            for name, why in missing.items()
        ),
    )


def table(cards: Sequence[Card]) -> Table:
    """One row a network."""
    rows = tuple(
        (
            card["name"],
            card["family"],
            card["seed"],
            card["images"],
            str(card.get("start", {}).get("name", "\N{EN DASH}")),
            steps(card),
            round(seconds(card)),
            float(card["curve"][-1]["loss"]),
            accuracy(card),
        )
        for card in cards
    )
    header = ("network", "family", "seed", "trained on", "started from", "steps", "seconds")
    return Table(
        (*header, "last loss", "test accuracy"),
        rows,
        caption="Share of the test images that are put into the right class, with its 95 % "
        "binomial interval; seconds are those of the machine that trained it.",
        decimals=4,
    )


def data(cards: Sequence[Card]) -> Iterator[Csv]:
    """The numbers to take along."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    shown = table(cards)
    writer.writerow((*shown.header, "low", "high"))
    for row in shown.rows:
        found = row[-1]
        assert isinstance(found, write.Estimate)
        writer.writerow((*row[:-1], found.value, found.low, found.high))
    yield Csv("networks", text.getvalue(), "one line a network: what it was trained on, accuracy")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("network", "epoch", "steps", "loss", "test accuracy", "seconds"))
    for card in cards:
        for number, epoch in enumerate(card["curve"], 1):
            done = number * steps(card) // len(card["curve"])
            values = (epoch["loss"], epoch["test_accuracy"], epoch["seconds"])
            writer.writerow((card["name"], number, done, *values))
    yield Csv("curves", text.getvalue(), "one line an epoch of a network")


def _provenance(cards: Sequence[Card]) -> Iterator[Group]:
    for card in cards:
        recipe = tuple((key, str(value)) for key, value in card["recipe"].items())
        weights = (("digest of weights", card["digest"]), ("training", card["training"]))
        yield Group(card["name"], (*recipe, ("parameters", str(card["parameters"])), *weights))
    yield Group("Versions", tuple(cards[0]["versions"].items()))
