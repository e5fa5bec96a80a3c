"""What the cards of trained networks say, and how it is drawn."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from seelike.analysis import figures as draw
from seelike.analysis.networks.loading.zoo import FAMILIES
from seelike.analysis.similarity.intervals.proportions import share
from seelike.storage.datasets import digits, fashion_mnist
from seelike.storage.digest import slug
from seelike.storage.reports import write
from seelike.storage.reports.write import Figure
from seelike.tasks.reports.elements.claims import cell
from seelike.tasks.reports.elements.figures import render_figure

Card = dict[str, Any]
# Steps an epoch stand on no card made before this: every pass was over as many images as these.
IMAGES: dict[str, int] = {
    "Fashion-MNIST": fashion_mnist.SPLITS["train"][1],
    "digits": digits.SPLITS["train"].stop,
}


def steps(card: Card) -> int:
    """How many optimisation steps a network was trained for."""
    if "steps" in card:
        return int(card["steps"])
    images, recipe = IMAGES[card["images"].partition(",")[0]], card["recipe"]
    return int(recipe["epochs"]) * -(-images // int(recipe["batch"]))


def seconds(card: Card) -> float:
    """How long its epochs took, tests included."""
    return float(sum(epoch["seconds"] for epoch in card["curve"]))


def accuracy(card: Card) -> write.Estimate:
    """The share of test images that it puts into the right class, with its interval."""
    return cell(share(card["test"]["correct"], card["test"]["total"]))


def dots(cards: Sequence[Card]) -> Figure:
    """Accuracy of every network with its interval."""
    found = {card["name"]: share(card["test"]["correct"], card["test"]["total"]) for card in cards}
    each = [
        draw.Dot("test accuracy", name, name, one.value, one.low, one.high)
        for name, one in found.items()
    ]
    return render_figure(
        "accuracy",
        draw.checks(each, colours={}, unit="share of the test images put into their class"),
        alt="; ".join(f"{name} {100 * one.value:.2f} %" for name, one in found.items()),
        caption="Test accuracy of every network; lines are 95 % binomial intervals.",
        data="networks",
    )


def data_figure(cards: Sequence[Card]) -> Figure | None:
    """Accuracy against the share of the training images; None without fractions."""
    lines = []
    for family in dict.fromkeys(card["family"] for card in cards):
        for seed in sorted({card["seed"] for card in cards}):
            own = [
                card
                for card in cards
                if (card["family"], card["seed"]) == (family, seed) and "start" not in card
            ]
            own.sort(key=lambda card: float(card.get("fraction", 1)))
            if len({card.get("fraction", 1) for card in own}) < 2:
                continue
            found = [share(card["test"]["correct"], card["test"]["total"]) for card in own]
            lines.append(
                draw.Curve(
                    f"{family}, seed {seed}",
                    np.array([float(card.get("fraction", 1)) for card in own]),
                    np.array([one.value for one in found]),
                    np.array([one.low for one in found], float),
                    np.array([one.high for one in found], float),
                    kind="trained",
                )
            )
    if not lines:
        return None
    return render_figure(
        "accuracy-by-data",
        draw.accuracy_by_data(lines),
        alt="; ".join(
            f"{line.label}: "
            + ", ".join(
                f"{100 * y:.2f} % with {100 * x:g} %"
                for x, y in zip(line.depth, line.value, strict=True)
            )
            for line in lines
        ),
        caption="Test accuracy against the share of the training images, in equal numbers of "
        "steps; lines are 95 % binomial intervals.",
        data="networks",
    )


def curves(cards: Sequence[Card]) -> Iterator[Figure]:
    """Loss and accuracy of every network along its steps, a figure an architecture."""
    for group, own in _groups(cards).items():
        lines = {}
        for card in own:
            every = np.arange(1, len(card["curve"]) + 1) * steps(card) / len(card["curve"])
            lines[card["name"]] = {
                kind: draw.Curve(
                    card["name"],
                    every,
                    np.array([epoch[key] for epoch in card["curve"]], float),
                    None,
                    None,
                    kind="trained",
                )
                for kind, key in (("loss", "loss"), ("accuracy", "test_accuracy"))
            }
        yield render_figure(
            f"steps-{slug(group)}",
            draw.along_steps(lines),
            alt=f"Loss and test accuracy of {', '.join(lines)}.",
            caption="Mean training loss and test accuracy after every epoch, by steps.",
            data="curves",
        )


def _group(card: Card) -> str:
    """Networks that are drawn together: an architecture, or the variants of one."""
    builder = FAMILIES[card["family"]].builder
    return builder if card["family"] == builder else f"{builder} variants"


def _groups(cards: Sequence[Card]) -> dict[str, list[Card]]:
    found: dict[str, list[Card]] = {}
    for card in cards:
        found.setdefault(_group(card), []).append(card)
    return found
