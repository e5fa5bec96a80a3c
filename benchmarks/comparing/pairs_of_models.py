"""Item 2: all pairs of M models: one pass each, beside the peers' passes for every pair."""

import tempfile
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from benchmarks.comparing.pairs_section import goals, plots, section
from benchmarks.harness import product
from benchmarks.harness.clock import Run, spread, timed
from benchmarks.harness.item import Item, Result
from benchmarks.harness.networks import (
    TOY_RESNET,
    TOY_VIT,
    images,
    modules,
    network,
    outputs,
    small,
)
from benchmarks.harness.peers import PEERS, Loader, installed
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network

COUNTS = (2, 4, 8)
SIZE = 96
ARCHITECTURES: tuple[dict[str, Any], ...] = (
    {"timm": "vit_tiny_patch16_224", "arguments": {"img_size": SIZE, "depth": 6}},
    {"timm": "resnet18", "arguments": small(SIZE)},
)
BATCHES, BATCH, REPEATS = 3, 64, 3
# This peer computes every Gram again for every pair of taps: its pairs of the first four models are
# run, and the others are taken to cost as much on average.
SLOW, SLOW_MODELS = "torch-cka", 4


@dataclass(frozen=True)
class Subjects:
    """The models, their taps, and the batches of images that all of them see."""

    nets: list[Network]
    chosen: list[tuple[Tap, ...]]
    batches: list[Tensor]
    device: str


def measure(*, quick: bool, device: str) -> Result:
    """Seconds for all pairs of the first M models, by way; a round does everything once."""
    counts = (2, 3) if quick else COUNTS
    kinds = (TOY_VIT, TOY_RESNET) if quick else ARCHITECTURES
    nets = [network(kinds[i % 2], device=device, seed=i // 2) for i in range(counts[-1])]
    subjects = Subjects(
        nets,
        [outputs(net, "blocks") for net in nets],
        images(nets[0], batches=BATCHES, batch=8 if quick else BATCH),
        device,
    )
    _warm_up(subjects)
    rounds = [_round(subjects, counts) for _ in range(1 if quick else REPEATS)]
    return {
        "counts": list(counts),
        "models": [net.name for net in nets],
        "taps": [len(taps) for taps in subjects.chosen],
        "batch": len(subjects.batches[0]),
        "batches": BATCHES,
        "size": nets[0].input_size[1],
        "seconds": {
            way: [spread(r["seconds"][way][i] for r in rounds) for i in range(len(counts))]
            for way in rounds[0]["seconds"]
        },
        "comparing": [spread(r["comparing"][i] for r in rounds) for i in range(len(counts))],
        "extrapolated_from": {
            way: SLOW_MODELS for way in rounds[0]["seconds"] if way == SLOW and not quick
        },
        "difference": rounds[0]["difference"],
    }


def _warm_up(subjects: Subjects) -> None:
    """Run everything once on a few images, so that imports and builds are not measured."""
    few = Subjects(
        subjects.nets[:2],
        subjects.chosen[:2],
        [batch[:8] for batch in subjects.batches[:1]],
        subjects.device,
    )
    for net, taps in zip(few.nets, few.chosen, strict=True):
        product.record(net, taps, few.batches)
    for peer in installed():
        _pair(few, peer, 0, 1)


def _round(subjects: Subjects, counts: tuple[int, ...]) -> dict[str, Any]:
    """Models come one after the other: each is recorded, then paired with those before it."""
    recording: list[float] = []
    names: list[str] = []
    comparing: dict[int, Run] = {}
    pairing: dict[str, dict[tuple[int, int], Run]] = {name: {} for name in installed()}
    with tempfile.TemporaryDirectory() as folder:
        store = product.temporary_store(folder)
        for j, (net, taps) in enumerate(zip(subjects.nets, subjects.chosen, strict=True)):
            own = partial(product.record_into, store, net, taps, subjects.batches)
            run = timed(own, device=subjects.device)
            recording.append(run.seconds)
            names.append(run.value.name)
            for i in range(j):
                for peer, runs in pairing.items():
                    if peer != SLOW or j < SLOW_MODELS:
                        runs[i, j] = _pair(subjects, peer, i, j)
            if j + 1 in counts:
                comparing[j + 1] = timed(partial(product.compare, store, list(names)))
    own_seconds = [sum(recording[:m]) + comparing[m].seconds for m in counts]
    theirs = {peer: [total_seconds(runs, m) for m in counts] for peer, runs in pairing.items()}
    matrix = comparing[counts[-1]].value
    return {
        "seconds": {"seelike": own_seconds, **theirs},
        "comparing": [comparing[m].seconds for m in counts],
        "difference": {
            peer: _difference(peer, matrix, runs, [len(taps) for taps in subjects.chosen])
            for peer, runs in pairing.items()
        },
    }


def _pair(subjects: Subjects, peer: str, i: int, j: int) -> Run:
    a, b = subjects.nets[i].module, subjects.nets[j].module
    of_a, of_b = modules(subjects.chosen[i]), modules(subjects.chosen[j])
    loader = Loader(subjects.batches)
    call = partial(PEERS[peer].pairs, a, b, of_a, of_b, loader, subjects.device)
    return timed(call, device=subjects.device)


def total_seconds(runs: dict[tuple[int, int], Run], models: int) -> float:
    """Seconds for all pairs of the first ``models``; pairs that were not run count as the mean."""
    found = [run.seconds for (_, j), run in runs.items() if j < models]
    return models * (models - 1) / 2 * sum(found) / len(found)


def _difference(
    peer: str, matrix: np.ndarray, runs: dict[tuple[int, int], Run], taps: list[int]
) -> float | None:
    """The largest difference of a peer's CKA from seelike's; None where it gave no number."""
    edges = np.cumsum([0, *taps])
    largest = 0.0
    for (i, j), run in runs.items():
        own = matrix[edges[i] : edges[i + 1], edges[j] : edges[j + 1]]
        if PEERS[peer].clamps:
            own = own.clip(0, 1)
        largest = max(largest, float(np.abs(own - run.value).max()))
    return largest if np.isfinite(largest) else None


ITEM = Item("pairs_of_models", "All pairs of M models", measure, goals, section, plots)
