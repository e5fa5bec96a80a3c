"""Item 1: time that recording signatures adds to the bare forward pass, beside pytorch-cka."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import torch

from benchmarks.harness import product
from benchmarks.harness.bound import bound
from benchmarks.harness.clock import Stopwatch, interleaved, spread
from benchmarks.harness.item import Item, Result
from benchmarks.harness.machine import memory_bytes
from benchmarks.harness.networks import (
    RESNET_50,
    TOY_RESNET,
    TOY_VIT,
    VIT_S,
    forward,
    images,
    modules,
    network,
    outputs,
)
from benchmarks.harness.peers import PEERS, Loader
from benchmarks.recording.overhead_section import goals, section
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import summarise
from seelike.analysis.similarity import batch_cosines
from seelike.tasks.runtime.threads import one_blas_thread

PEER = "pytorch-cka"
TAP_SETS = ("blocks", "paper")
MODELS = {"ViT-S/16": VIT_S, "ResNet-50": RESNET_50}
TOYS = {"toy ViT": TOY_VIT, "toy ResNet": TOY_RESNET}
# Images per batch, and rounds over it.
ROUNDS = {64: 4, 256: 2}
# The peer holds the activations of a batch at all taps; beyond this share it is left out.
MEMORY_SHARE = 0.7


def measure(*, quick: bool, device: str) -> Result:
    """Seconds of the bare pass, of recording, and of the peer, on one batch of n images."""
    cases = []
    for name, architecture in (TOYS if quick else MODELS).items():
        net = network(architecture, device=device)
        for n, rounds in ({8: 2} if quick else ROUNDS).items():
            cases += _cases(name, net, n=n, rounds=rounds, device=device)
    return {"peer": PEER, "memory_share": MEMORY_SHARE, "cases": cases}


def _cases(name: str, net: Network, *, n: int, rounds: int, device: str) -> list[dict[str, Any]]:
    """One case per tap set; all of a network's calls take turns, so that one bare pass serves."""
    batches = images(net, batches=1, batch=n)
    chosen = {taps: outputs(net, taps) for taps in TAP_SETS}
    calls: dict[str, Callable[[], object]] = {"bare": lambda: forward(net, batches)}
    for taps, of_set in chosen.items():
        calls[f"seelike {taps}"] = _recording(net, of_set, batches, device)
        if not _why_not(of_set, n, device):
            calls[f"{PEER} {taps}"] = _peer(net, of_set, batches, device)
    calls["bare"]()
    runs = interleaved(calls, repeats=rounds, device=device)
    bare = [run.seconds for run in runs["bare"]]

    def of_call(called: str) -> dict[str, Any] | None:
        """Seconds of one call: in all, beyond the bare pass of its round, and in its own code."""
        if called not in runs:
            return None
        total = [run.seconds for run in runs[called]]
        return {
            "seconds": spread(total),
            "beyond": spread(t - b for t, b in zip(total, bare, strict=True)),
            "inside": spread(run.value for run in runs[called]),
        }

    return [
        {
            "model": name,
            "taps": taps,
            "count": len(of_set),
            "n": n,
            "features": sum(tap.bytes_per_image for tap in of_set) // 4,
            "held_bytes": _held(of_set, n),
            "bare": spread(bare),
            "seelike": of_call(f"seelike {taps}"),
            "peer": of_call(f"{PEER} {taps}"),
            "peer_left_out": _why_not(of_set, n, device),
            "bound": bound([tap.bytes_per_image // 4 for tap in of_set], n=n, device=device),
        }
        for taps, of_set in chosen.items()
    ]


def _held(chosen: tuple[Tap, ...], n: int) -> int:
    """Bytes of the activations of a batch at all taps, none shared."""
    return n * sum(tap.bytes_per_image for tap in chosen)


def _why_not(chosen: tuple[Tap, ...], n: int, device: str) -> str:
    """Reason why the peer cannot run on a batch of n images; empty where it can."""
    if not PEERS[PEER].installed:
        return "not installed"
    return "memory" if _held(chosen, n) > MEMORY_SHARE * memory_bytes(device) else ""


def _recording(
    net: Network, chosen: tuple[Tap, ...], batches: list[torch.Tensor], device: str
) -> Callable[[], float]:
    """Recording, then the cosines of all pairs of taps, since the peer gives them too."""

    def call() -> float:
        watch = Stopwatch(device=device)
        summary = watch.around(product.summary)
        with one_blas_thread():
            for values in summarise(net, chosen, batches, summary=summary):
                recorded = watch.around(product.settle)(values)
                watch.around(batch_cosines)(np.stack([d for d, _ in recorded.values()]))
        return watch.seconds

    return call


def _peer(
    net: Network, chosen: tuple[Tap, ...], batches: list[torch.Tensor], device: str
) -> Callable[[], float]:
    """The network against itself, its cheapest call: one forward pass, each Gram made once."""
    from cka import CKA

    def call() -> float:
        watch = Stopwatch(device=device)
        inside = watch.around(CKA._accumulate_hsic)
        with mock.patch.object(CKA, "_accumulate_hsic", inside):
            names = modules(chosen)
            PEERS[PEER].pairs(net.module, net.module, names, names, Loader(batches), device)
        return watch.seconds

    return call


ITEM = Item("overhead", "Overhead of recording", measure, goals, section)
