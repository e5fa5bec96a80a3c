"""Item 6: how time grows with images, taps and models."""

import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from benchmarks.comparing import synthetic
from benchmarks.harness import markdown, product
from benchmarks.harness.clock import Run, exponent, interleaved, spread, timed
from benchmarks.harness.item import Goal, Item, Line, Plot, Result
from benchmarks.harness.networks import (
    TOY_RESNET,
    TOY_VIT,
    forward,
    images,
    network,
    outputs,
    small,
)
from benchmarks.recording.memory import alike
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network

RESNET: dict[str, Any] = {"timm": "resnet18", "arguments": small(96)}
VIT: dict[str, Any] = {"timm": "vit_tiny_patch16_224"}
FULL: dict[str, Any] = {
    "images": [64, 128, 256, 512],
    "batch": 64,
    "taps recorded": [20, 40, 80, 160],
    "taps compared": [125, 250, 500, 1000],
    "compared": {"batches": 4, "batch": 256},
    "models": [1, 2, 4, 8],
    "repeats": 3,
}
TOY: dict[str, Any] = {
    "images": [8, 16],
    "batch": 8,
    "taps recorded": [5, 20],
    "taps compared": [20, 80],
    "compared": {"batches": 2, "batch": 32},
    "models": [1, 2],
    "repeats": 1,
}
WHAT = {
    "images": "recording and comparing one ResNet, its taps `blocks`",
    "taps recorded": "recording a ViT, beyond its bare forward pass",
    "taps compared": "comparing all pairs from the store",
    "models": "recording and comparing M ResNets",
}
# Arithmetic: one pass per image and model, one Gram per tap, one product per pair.
EXPECTED = {"images": 1, "taps recorded": 1, "taps compared": 2, "models": 1}


def measure(*, quick: bool, device: str) -> Result:
    """Seconds along each axis, and the exponent that fits them."""
    size = TOY if quick else FULL
    ways = {
        "images": _by_images,
        "taps recorded": _by_taps_recorded,
        "taps compared": _by_taps_compared,
        "models": _by_models,
    }
    curves = {}
    for axis, curve in ways.items():
        found = curve(size, quick, device)
        medians = [(x, measured["median"]) for x, measured in zip(size[axis], found, strict=True)]
        curves[axis] = {"x": size[axis], "seconds": found, "exponent": exponent(medians)}
    return {"curves": curves, "batch": size["batch"], "compared": size["compared"]}


def _whole(nets: list[Network], chosen: list[tuple[Tap, ...]], batches: list[Tensor]) -> None:
    """Recording into a store, once per model, and comparing all pairs."""
    with tempfile.TemporaryDirectory() as folder:
        store = product.temporary_store(folder)
        kept = [
            product.record_into(store, net, taps, batches)
            for net, taps in zip(nets, chosen, strict=True)
        ]
        product.compare(store, [one.name for one in kept])


def _spreads(
    calls: dict[int, Callable[[], object]], size: dict[str, Any], device: str
) -> list[dict[str, Any]]:
    timed(calls[max(calls)], device=device)
    named = {str(x): call for x, call in calls.items()}
    runs = interleaved(named, repeats=size["repeats"], device=device)
    return [spread(run.seconds for run in runs[x]) for x in named]


def _by_images(size: dict[str, Any], quick: bool, device: str) -> list[dict[str, Any]]:
    net = network(TOY_RESNET if quick else RESNET, device=device)
    chosen, batch = outputs(net, "blocks"), size["batch"]
    pictures = images(net, batches=max(size["images"]) // batch, batch=batch)
    calls = {n: partial(_whole, [net], [chosen], pictures[: n // batch]) for n in size["images"]}
    return _spreads(dict(calls), size, device)


def _by_models(size: dict[str, Any], quick: bool, device: str) -> list[dict[str, Any]]:
    kind = TOY_RESNET if quick else RESNET
    nets = [network(kind, device=device, seed=seed) for seed in range(max(size["models"]))]
    chosen = [outputs(net, "blocks") for net in nets]
    pictures = images(nets[0], batches=2, batch=size["batch"])
    calls = {m: partial(_whole, nets[:m], chosen[:m], pictures) for m in size["models"]}
    return _spreads(dict(calls), size, device)


def _by_taps_recorded(size: dict[str, Any], quick: bool, device: str) -> list[dict[str, Any]]:
    """Differences from the bare pass of the same round."""
    net = network(TOY_VIT if quick else VIT, device=device)
    pictures = images(net, batches=1, batch=size["batch"])
    calls: dict[str, Callable[[], object]] = {"bare": partial(forward, net, pictures)}
    for count in size["taps recorded"]:
        calls[str(count)] = partial(product.record, net, alike(net, count), pictures)
    timed(calls["bare"], device=device)
    runs = interleaved(calls, repeats=size["repeats"], device=device)
    bare = runs.pop("bare")
    return [spread(_overhead(found, bare)) for found in runs.values()]


def _overhead(found: list[Run], bare: list[Run]) -> list[float]:
    return [run.seconds - none.seconds for run, none in zip(found, bare, strict=True)]


def _by_taps_compared(size: dict[str, Any], quick: bool, device: str) -> list[dict[str, Any]]:
    del quick
    with tempfile.TemporaryDirectory() as folder:
        store = product.temporary_store(folder)
        calls = {}
        for number, taps in enumerate(size["taps compared"]):
            names = synthetic.write(store, models=1, taps=taps, seed=number, **size["compared"])
            calls[taps] = partial(product.compare, store, names)
        return _spreads(dict(calls), size, device)


def goals(result: Result) -> list[Goal]:
    """There is none in numbers: the exponents are for the reader."""
    del result
    return []


def section(result: Result) -> str:
    """Times along each axis with the fitted exponent beside the expected one."""
    paragraphs = []
    rows = []
    for axis, curve in result["curves"].items():
        points = [
            f"{x}: {markdown.number(found['median'])}"
            for x, found in zip(curve["x"], curve["seconds"], strict=True)
        ]
        fitted = "no fit" if curve["exponent"] is None else f"{curve['exponent']:.2f}"
        rows.append((f"{axis}: {WHAT[axis]}", ", ".join(points), fitted, str(EXPECTED[axis])))
    paragraphs.append(
        f"Seconds by images (batches of {result['batch']}), taps and models, and the exponent b "
        "of a x^b fitted to the medians by least squares of the logarithms. Below the arithmetic's "
        "exponent means that a fixed cost is still part of it."
    )
    paragraphs.append(markdown.table(("axis", "seconds", "exponent", "arithmetic"), rows))
    return "\n\n".join(paragraphs)


def plots(result: Result) -> dict[str, tuple[Plot, ...]]:
    """One panel per axis."""
    panels = []
    for axis, curve in result["curves"].items():
        medians = (found["median"] for found in curve["seconds"])
        pairs = zip(curve["x"], medians, strict=True)
        points = tuple((float(x), y) for x, y in pairs if y > 0)
        panels.append(Plot(axis, axis, "seconds", (Line("seelike", points, curve["exponent"]),)))
    return {"growth": tuple(panels)}


ITEM = Item("growth", "Growth with images, taps and models", measure, goals, section, plots)
