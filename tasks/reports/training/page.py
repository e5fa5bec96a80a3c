"""The page of a training: accuracy of every network, and its learning curves."""

from collections.abc import Iterator, Mapping, Sequence

from seelike.storage.reports.write import Cell, Csv, EstimateLike, Group, Page, Section, Table
from seelike.tasks.reports.elements.page import (
    NO_FAILURES,
    failure_warnings,
    report_page,
    versions_group,
)
from seelike.tasks.reports.elements.tables import csv_file, ends
from seelike.tasks.reports.elements.wording import count
from seelike.tasks.reports.training.figures import (
    Card,
    accuracy,
    curves,
    data_figure,
    dots,
    seconds,
    steps,
)


def build_page(cards: Sequence[Card], *, missing: Mapping[str, str] = NO_FAILURES) -> Page:
    """Build the report of the networks with these ``cards``."""
    best = max(cards, key=lambda card: float(card["test"]["accuracy"]))
    shown = table(cards)
    by_data = data_figure(cards)
    return report_page(
        "How were the networks trained?",
        [
            f"{count(len(cards), 'network')}; the most accurate is {best['name']}, with "
            f"{100 * best['test']['accuracy']:.2f} % of {best['test']['total']} test images right."
        ],
        [
            Section(
                "Accuracy", figures=(dots(cards),), tables=(shown,), data=(_networks_csv(shown),)
            ),
            *([] if by_data is None else [Section("Accuracy by data", figures=(by_data,))]),
            Section("Learning curves", figures=tuple(curves(cards)), data=(_curves_csv(cards),)),
        ],
        provenance=_provenance(cards),
        warnings=failure_warnings(missing, kind="Network"),
    )


def table(cards: Sequence[Card]) -> Table:
    """One row per network."""
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
        caption="Share of test images that are classified correctly, with its 95 % binomial "
        "interval. Seconds are those of the machine that trained the network.",
        decimals=4,
    )


def _networks_csv(shown: Table) -> Csv:
    about = "one line per network: its training and its accuracy"
    rows = ((*row[:-1], *ends(_estimate(row[-1]))) for row in shown.rows)
    return csv_file("networks", about, (*shown.header, "low", "high"), rows)


def _estimate(cell: Cell) -> EstimateLike:
    assert isinstance(cell, EstimateLike)
    return cell


def _curves_csv(cards: Sequence[Card]) -> Csv:
    rows = (
        (
            *(card["name"], number, number * steps(card) // len(card["curve"])),
            *(epoch["loss"], epoch["test_accuracy"], epoch["seconds"]),
        )
        for card in cards
        for number, epoch in enumerate(card["curve"], 1)
    )
    header = ("network", "epoch", "steps", "loss", "test accuracy", "seconds")
    return csv_file("curves", "one line per epoch of a network", header, rows)


def _provenance(cards: Sequence[Card]) -> Iterator[Group]:
    for card in cards:
        recipe = tuple((key, str(value)) for key, value in card["recipe"].items())
        weights = (("digest of weights", card["digest"]), ("training", card["training"]))
        yield Group(card["name"], (*recipe, ("parameters", str(card["parameters"])), *weights))
    yield versions_group(cards[0]["versions"])
