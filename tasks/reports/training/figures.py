"""Figures of trained networks from their cards: accuracy, accuracy by data, learning curves."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from seelike.analysis import figures as draw
from seelike.analysis.networks.loading.zoo import FAMILIES
from seelike.analysis.similarity import Estimate
from seelike.storage.datasets import digits, fashion_mnist
from seelike.storage.digest import slug
from seelike.storage.reports.write import Figure
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.tables import accuracy_of

Card = dict[str, Any]
# Training images by data set, for cards without a number of steps: every epoch used all of them.
IMAGES: dict[str, int] = {
    "Fashion-MNIST": fashion_mnist.SPLITS["train"][1],
    "digits": digits.SPLITS["train"].stop,
}


def steps(card: Card) -> int:
    """Number of optimisation steps of a training."""
    if "steps" in card:
        return int(card["steps"])
    images, recipe = IMAGES[card["images"].partition(",")[0]], card["recipe"]
    return int(recipe["epochs"]) * -(-images // int(recipe["batch"]))


def seconds(card: Card) -> float:
    """Duration of all epochs, tests included, in seconds."""
    return float(sum(epoch["seconds"] for epoch in card["curve"]))


def accuracy(card: Card) -> Estimate:
    """Test accuracy of a trained network, with its interval; every card of a training has one."""
    found = accuracy_of(card)
    assert found is not None
    return found


def dots(cards: Sequence[Card]) -> Figure:
    """Accuracy of every network with its interval."""
    found = {card["name"]: accuracy(card) for card in cards}
    each = [
        draw.Dot("test accuracy", name, name, one.value, one.low, one.high)
        for name, one in found.items()
    ]
    return render_figure(
        "accuracy",
        draw.checks(each, colours={}, unit="share of test images classified correctly"),
        alt="; ".join(f"{name} {100 * one.value:.2f} %" for name, one in found.items()),
        caption="Test accuracy of every network. Lines are 95 % binomial intervals.",
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
            found = [accuracy(card) for card in own]
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
        caption="Test accuracy against the share of the training images, for equal numbers of "
        "steps. Lines are 95 % binomial intervals.",
        data="networks",
    )


def curves(cards: Sequence[Card]) -> Iterator[Figure]:
    """Loss and accuracy of every network along its steps, a figure per architecture."""
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
    """Networks of one figure: an architecture, or the variants of one."""
    builder = FAMILIES[card["family"]].builder
    return builder if card["family"] == builder else f"{builder} variants"


def _groups(cards: Sequence[Card]) -> dict[str, list[Card]]:
    found: dict[str, list[Card]] = {}
    for card in cards:
        found.setdefault(_group(card), []).append(card)
    return found
