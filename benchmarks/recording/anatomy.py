"""Item 9: anatomy of a network: attention, receptive fields and localization, in passes."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import markdown
from benchmarks.harness.clock import best, interleaved, spread
from benchmarks.harness.item import Goal, Item, Result
from benchmarks.harness.networks import TOY_VIT, VIT_S, forward, images, network
from seelike.analysis.networks.anatomy.attention import attention_distance
from seelike.analysis.networks.anatomy.attention_maps import unfused
from seelike.analysis.networks.anatomy.channel_sample import ChannelSample, channel_count
from seelike.analysis.networks.anatomy.receptive_fields import receptive_fields
from seelike.analysis.networks.anatomy.tokens import grid, pixel_patches, tokens
from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.network import Network
from seelike.analysis.similarity.parts.localization import Hsics, localize
from seelike.analysis.similarity.parts.localization_scores import score
from seelike.tasks.anatomy.context import BATCH as HSIC_BATCH
from seelike.tasks.runtime.threads import one_blas_thread

# Images of each analysis; those of the goals, to which attention and localization are scaled.
FULL = {"attention": 64, "fields": 32, "localization": 64}
TOY = {"attention": 8, "fields": 4, "localization": 8}
# Receptive fields take as long as all the others.
REPEATS = {"attention": 3, "fields": 1, "localization": 3}
OF_GOALS = {"attention": 5000, "fields": 32, "localization": 2048}
# Images per forward pass, and per backward pass, whose graph is kept.
BATCH, GROUP = 32, 4
# Receptive fields: per backward pass, of which a block takes one per sampled channel.
GOALS = {"attention": 1.3, "fields": 1.0, "localization": 2.0}


def measure(*, quick: bool, device: str) -> Result:
    """Seconds of each analysis of a ViT-S/16 and of its bare passes, in turns."""
    size = TOY if quick else FULL
    of = network(TOY_VIT if quick else VIT_S, device=device)
    blocks = [tap for tap in taps(of, "blocks") if tap.name.startswith("blocks.")]
    calls: dict[str, dict[str, Callable[[], object]]] = {
        "attention": _attention(of, _images(of, size["attention"])),
        "fields": _fields(of, blocks, images(of, batches=size["fields"] // GROUP, batch=GROUP)),
        "localization": _localization(of, blocks[-2], _images(of, size["localization"])),
    }
    found: Result = {
        "model": of.name,
        "blocks": len(blocks),
        "places": blocks[0].shape[0] - 1,
        "channels": ChannelSample().per_image(channel_count(blocks[0])),
    }
    for name, each in calls.items():
        each["bare"]()  # Buffers are allocated once.
        runs = interleaved(each, repeats=1 if quick else REPEATS[name], device=device)
        found[name] = {"images": size[name]} | {
            way: spread(run.seconds for run in of_one) for way, of_one in runs.items()
        }
    found["localization"]["scores"] = best(partial(score, _hsics(found["places"])), repeats=1)
    return found


def _hsics(places: int) -> Hsics:
    """HSICs of a block over as many Grams as the goal's images make, for the final scores."""
    batches = OF_GOALS["localization"] // HSIC_BATCH
    rng = np.random.default_rng(0)
    return Hsics(
        rng.normal(size=(batches, places, places)) + 10 * np.eye(places),
        np.full((batches, places), 20.0),
        np.full((batches, places), 20.0),
    )


def _images(of: Network, count: int) -> list[Tensor]:
    batch = min(BATCH, count)
    return images(of, batches=count // batch, batch=batch)


def _attention(of: Network, batches: Sequence[Tensor]) -> dict[str, Callable[[], object]]:
    def bare() -> None:
        with unfused(of):
            forward(of, batches)

    return {"bare": bare, "seelike": lambda: attention_distance(of, batches)}


def _fields(
    of: Network, blocks: Sequence[Tap], batches: Sequence[Tensor]
) -> dict[str, Callable[[], object]]:
    def bare() -> None:
        for batch in batches:
            leaf = batch.clone().requires_grad_()
            torch.autograd.grad(of.module(leaf).sum(), leaf)

    return {"bare": bare, "seelike": lambda: receptive_fields(of, blocks, batches)}


def _localization(
    of: Network, tap: Tap, batches: Sequence[Tensor]
) -> dict[str, Callable[[], object]]:
    # One Gram of all images, as in the flow, whatever a forward pass takes.
    (recorded,) = tokens(of, tap, [iter(batches)])
    onto = grid(of, tap)

    def located() -> None:
        with one_blas_thread():
            localize([recorded], [pixel_patches(torch.cat(list(batches)), onto)])

    return {"bare": partial(forward, of, batches), "seelike": located}


def ratio(result: Result, name: str) -> float:
    """Time of an analysis over a bare way; localization with its scores, computed once."""
    found = result[name]
    once = found.get("scores", 0.0) * found["images"] / OF_GOALS[name]
    return float((found["seelike"]["median"] + once) / found["bare"]["median"])


def _channels(result: Result) -> int:
    """Backward passes per block and image: one in results from before channels were sampled."""
    return int(result.get("channels", 1))


def goals(result: Result) -> list[Goal]:
    """One for each analysis."""
    attended, located = ratio(result, "attention"), ratio(result, "localization")
    fields, images = ratio(result, "fields"), result["fields"]["images"]
    return [
        _goal(
            f"attention distance over the bare forward pass, fused attention off "
            f"({result['attention']['images']} images a round)",
            attended,
            GOALS["attention"],
        ),
        _goal(
            f"receptive fields of {result['blocks']} blocks, {images} images, over as many forward "
            f"and backward passes: {_channels(result)} for each block, one per channel and image",
            # A result from before channels were sampled is of another estimator.
            fields / (result["blocks"] * _channels(result)) if "channels" in result else None,
            GOALS["fields"],
        ),
        _goal(
            f"localization of {result['places']} x {result['places']} pairs over one forward pass "
            f"({result['localization']['images']} images a round)",
            located,
            GOALS["localization"],
        ),
    ]


def _goal(what: str, measured: float | None, most: float) -> Goal:
    if measured is None:
        return Goal(what, f"<= {most:g}", "not measured", None)
    return Goal(what, f"<= {most:g}", f"{measured:.3g}", measured <= most)


def section(result: Result) -> str:
    """A table: time of each analysis, its bare way, and the scale."""
    names = {
        "attention": ("attention distance, all heads", "forward, fused attention off"),
        "fields": ("receptive fields, all blocks", "forward and backward, once"),
        "localization": ("localization, all tokens of a block", "forward"),
    }
    rows = [
        (
            what,
            str(result[name]["images"]),
            markdown.seconds(result[name]["seelike"]),
            bare,
            markdown.seconds(result[name]["bare"]),
            f"{ratio(result, name):.3g}",
        )
        for name, (what, bare) in names.items()
    ]
    attention, located = result["attention"]["images"], result["localization"]["images"]
    return "\n\n".join(
        (
            f"An untrained {result['model']}, images of noise in memory. Each row's two ways took "
            "turns.",
            markdown.table(("", "images", "seelike (s)", "beside", "that (s)", "over that"), rows),
            f"Attention was measured on {attention} images and localization on one Gram of "
            f"{located}, of the {OF_GOALS['attention']} and {OF_GOALS['localization']} of the "
            "goals: both grow with the number of images as the passes beside them do, since a "
            "batch costs what another one does. Receptive fields take one forward pass, and "
            f"per block {_channels(result)} backward passes from where that block is, each for "
            "one channel of every image: the goal allows a forward and a backward pass for each of "
            "them; the table has one of both beside them. "
            "Localization takes the tokens as they come by; its time is what comes on top of the "
            "pass. Its scores with their intervals "
            f"are computed once, in {markdown.number(result['localization']['scores'])} s for the "
            "images of the goal, and are in the ratio with that share.",
        )
    )


ITEM = Item("anatomy", "Looking inside", measure, goals, section)
