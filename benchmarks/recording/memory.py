"""Item 5: peak memory against the number of taps, where only signatures are kept."""

import tempfile
from typing import Any

import torch

from benchmarks.harness import markdown, product
from benchmarks.harness.apart import apart, peak_bytes, resident_bytes
from benchmarks.harness.item import Goal, Item, Line, Plot, Result
from benchmarks.harness.networks import TOY_VIT, forward, images, modules, network
from benchmarks.harness.peers import PEERS, Loader
from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.network import Network

PEER = "pytorch-cka"
VIT: dict[str, Any] = {"timm": "vit_tiny_patch16_224"}
FULL: dict[str, Any] = {"architecture": VIT, "counts": [10, 40, 160], "batch": 128, "batches": 2}
TOY: dict[str, Any] = {"architecture": TOY_VIT, "counts": [5, 20], "batch": 8, "batches": 2}
# Peak memory may grow by this share from the fewest taps to the most and count as flat.
FLAT = 0.1


def measure(*, quick: bool, device: str) -> Result:
    """Peak bytes of one process each: the bare pass, seelike, and the peer, by number of taps."""
    size = TOY if quick else FULL
    counts: list[int] = size["counts"]
    ways = {"seelike": counts}
    if PEERS[PEER].installed:
        ways[PEER] = counts
    common = {**size, "device": device}
    del common["counts"]
    return {
        **size,
        "architecture": size["architecture"]["timm"],
        "forward": apart(peak, way="forward", count=counts[0], **common),
        "ways": {
            way: [apart(peak, way=way, count=count, **common) for count in of_way]
            for way, of_way in ways.items()
        },
    }


def peak(
    way: str, count: int, architecture: dict[str, Any], batch: int, batches: int, device: str
) -> dict[str, int]:
    """Peak memory of running a network with ``count`` taps; run in a process of its own.

    Resident memory, or on a GPU what torch has allocated there. ``before_bytes`` is what there
    was with the network and the images loaded.
    """
    net = network(architecture, device=device)
    chosen = alike(net, count)
    shared = images(net, batches=batches, batch=batch)
    before = resident_bytes() if net.device.type == "cpu" else torch.cuda.memory_allocated()
    if way == "forward":
        forward(net, shared)
    elif way == "seelike":
        with tempfile.TemporaryDirectory() as folder:
            product.record_into(product.temporary_store(folder), net, chosen, shared)
    else:
        names = modules(chosen)
        PEERS[way].pairs(net.module, net.module, names, names, Loader(shared), device)
    return {
        "taps": len(chosen),
        "peak_bytes": peak_bytes()
        if net.device.type == "cpu"
        else torch.cuda.max_memory_allocated(),
        "before_bytes": before,
        "activation_bytes": batch * sum(tap.bytes_per_image for tap in chosen),
    }


def alike(net: Network, count: int) -> list[Tap]:
    """``count`` taps of one shape, that of the last block, spread over the network's depth."""
    every = taps(net, "**")
    shape = taps(net, "blocks")[-1].shape
    same = [tap for tap in every if tap.shape == shape and tap.calls == 1]
    if len(same) < count:
        raise ValueError(f"{net.name} has {len(same)} taps of shape {shape}, {count} are wanted")
    return [same[i * len(same) // count] for i in range(count)]


def growth(result: Result, way: str) -> float:
    """Peak memory at the most taps over that at the fewest, less one."""
    found = result["ways"][way]
    return float(found[-1]["peak_bytes"] / found[0]["peak_bytes"] - 1)


def goals(result: Result) -> list[Goal]:
    """Flat within a tenth."""
    counts = result["counts"]
    return [
        Goal(
            f"peak memory, keep: signatures, from {counts[0]} to {counts[-1]} taps",
            f"flat: grows by <= {markdown.percent(FLAT)}",
            f"{growth(result, 'seelike'):+.1%}",
            growth(result, "seelike") <= FLAT,
        )
    ]


def section(result: Result) -> str:
    """Peaks by way and number of taps."""
    rows = [
        (way, *(markdown.size(one["peak_bytes"]) for one in found), f"{growth(result, way):+.0%}")
        for way, found in result["ways"].items()
    ]
    held = [markdown.size(one["activation_bytes"]) for one in result["ways"]["seelike"]]
    bare = result["forward"]["peak_bytes"]
    return "\n\n".join(
        (
            f"Peak memory (resident, or allocated on the GPU) of a process that records "
            f"{result['architecture']} "
            f"(untrained, {result['batches']} batches of {result['batch']} images) at taps of one "
            f"shape. The bare forward pass alone: {markdown.size(bare)}.",
            markdown.table(
                ("peak memory", *(f"{c} taps" for c in result["counts"]), "growth"), rows
            ),
            f"The activations of a batch at these taps are {markdown.listed(held)}; "
            f"{PEER} holds them until the batch is done, seelike holds one tap's.",
        )
    )


def plots(result: Result) -> dict[str, tuple[Plot, ...]]:
    """Peak memory against taps."""
    lines = tuple(
        Line(way, tuple((float(one["taps"]), one["peak_bytes"] / 1e9) for one in found))
        for way, found in result["ways"].items()
    )
    return {"memory": (Plot("Peak memory", "taps", "GB", lines),)}


ITEM = Item("memory", "Peak memory", measure, goals, section, plots)
