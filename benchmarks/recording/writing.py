"""Item 4: keeping activations: images per second of recording to disk, beside the bare pass."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks.harness import markdown, product
from benchmarks.harness.clock import Run, interleaved, spread, timed
from benchmarks.harness.item import Goal, Item, Result
from benchmarks.harness.networks import RESNET_50, TOY_VIT, VIT_S, forward
from benchmarks.recording import disk
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.networks.transforms import transform
from seelike.storage.arrays.recordings import name, open_recording
from seelike.storage.images import ImageSet
from seelike.storage.store import open_store
from seelike.tasks.planning.image_sources import open_images
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.survey import network_of, survey
from seelike.tasks.recording.record import record_shard

MODELS = {"ViT-S/16": VIT_S, "ResNet-50": RESNET_50}
# Three statistical batches, so that writing one can overlap with computing the next.
FULL = {"count": 72, "batch": 24, "forward_batch": 24, "repeats": 3}
TOY = {"count": 24, "batch": 8, "forward_batch": 4, "repeats": 1}
SHARE = 0.8
# Images per tap on which compression is tried.
TRIED = 8


def measure(*, quick: bool, device: str) -> Result:
    """Seconds of the task that records a shard and of the bare pass; bytes on disk."""
    size = TOY if quick else FULL
    images = open_images("sample", count=size["count"])
    models = {"toy ViT": TOY_VIT} if quick else MODELS
    return {
        **size,
        "models": {
            label: _model(architecture, images, size, device=device)
            for label, architecture in models.items()
        },
    }


def _model(
    architecture: dict[str, Any], images: ImageSet, size: dict[str, int], *, device: str
) -> dict[str, Any]:
    subject = StudyModel(ModelSpec("network", **architecture), ("blocks",), trained=False)
    plan = survey.fn(
        subject,
        images=images.digest,
        count=len(images),
        batch=size["batch"],
        reduction="flatten",
    )
    pieces = _pieces(subject, images, size["forward_batch"], device)
    calls: dict[str, Callable[[], object]] = {
        "bare": partial(_bare, subject, pieces, device),
        "record": partial(_recorded, plan, images, size, device),
        "disk": partial(disk.plain_files, plan.activation_bytes, len(plan.bounds)),
    }
    timed(calls["bare"], device=device)
    runs = interleaved(calls, repeats=size["repeats"], device=device)
    found = [Run(run.value["seconds"], run.value["found"]) for run in runs["record"]]
    return {
        "taps": len(plan.taps),
        "bare": spread(run.seconds for run in runs["bare"]),
        "record": spread(run.seconds for run in found),
        "disk": spread(run.seconds for run in runs["disk"]),
        "share": spread(
            bare.seconds / run.seconds for bare, run in zip(runs["bare"], found, strict=True)
        ),
        "activation_bytes": plan.activation_bytes,
        **found[-1].value,
    }


def _pieces(
    subject: StudyModel, images: ImageSet, forward_batch: int, device: str
) -> list[torch.Tensor]:
    """The same images, ready for the network: the input of the bare pass."""
    prepared = transform(network_of(subject))
    pictures = torch.stack([prepared(images.read(i)) for i in range(len(images))])
    starts = range(0, len(pictures), forward_batch)
    return [pictures[start : start + forward_batch].to(device) for start in starts]


def _bare(subject: StudyModel, pieces: Sequence[torch.Tensor], device: str) -> None:
    """Loading the network, as the task does, and the forward passes."""
    forward(network_of(subject).to(device), pieces)


def _recorded(
    plan: ModelPlan, images: ImageSet, size: dict[str, int], device: str
) -> dict[str, Any]:
    """Seconds of the task: loading, reading images, computing, writing, syncing.

    And what it left on the disk, looked at after the clock has stopped.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = product.temporary_store(folder)
        run = timed(
            partial(
                record_shard.fn,
                plan,
                images,
                store=store.url,
                keep="activations",
                number=0,
                shard=range(len(plan.bounds)),
                device=device,
                forward_batch=size["forward_batch"],
            ),
            device=device,
        )
        recording = open_recording(open_store(store.url), name(plan.identity))
        found = {
            "stored_bytes": recording.place.size(recording.key),
            "zstd": disk.zstd(recording, images=TRIED),
        }
    return {"seconds": run.seconds, "found": found}


def goals(result: Result) -> list[Goal]:
    """The slowest model counts."""
    shares = {label: found["share"]["median"] for label, found in result["models"].items()}
    summary = ", ".join(f"{label} {markdown.percent(share)}" for label, share in shares.items())
    return [
        Goal(
            "keeping activations: throughput over that of the bare forward pass",
            f">= {markdown.percent(SHARE)}",
            summary,
            min(shares.values()) >= SHARE,
        )
    ]


def section(result: Result) -> str:
    """One row per model: times, share, and bytes."""
    rows = [
        (
            f"{label} ({found['taps']} taps)",
            markdown.seconds(found["bare"]),
            markdown.seconds(found["record"]),
            markdown.seconds(found["disk"]),
            markdown.percent(found["share"]["median"]),
            markdown.size(found["stored_bytes"]),
            f"{found['activation_bytes'] / found['stored_bytes']:.3f}",
            f"{found['zstd']:.2f}",
        )
        for label, found in result["models"].items()
    ]
    return "\n\n".join(
        (
            f"{result['count']} images of the shipped sample, batches of {result['batch']}, "
            f"{result['forward_batch']} a forward pass, taps `blocks`. `record` is the whole task "
            "that records a shard: it loads the network, reads and transforms the images, "
            "computes, writes and syncs; the bare pass loads the network and runs on images in "
            "memory. What the checksums and the reading cost counts against seelike.",
            markdown.table(
                (
                    "model",
                    "bare pass (s)",
                    "record (s)",
                    "disk alone (s)",
                    "throughput",
                    "on disk",
                    "raw / disk",
                    "raw / zstd 1",
                ),
                rows,
            ),
            "`disk alone` writes as many bytes to plain files and syncs them. "
            f"{_disk_bound(result['models'])} {_beside(result['models'])}",
            "Recordings are written uncompressed; the last column says what compression would "
            f"have saved (tried on {TRIED} images of every tap).",
        )
    )


def _disk_bound(models: dict[str, dict[str, Any]]) -> str:
    """For which models the disk is too slow whatever the program does."""
    slow = [
        label
        for label, found in models.items()
        if found["disk"]["median"] > found["bare"]["median"] / SHARE
    ]
    if not slow:
        return "For no model does the disk alone need longer than the goal allows."
    return f"For {markdown.listed(slow)} the disk alone needs longer than the goal allows."


def _beside(models: dict[str, dict[str, Any]]) -> str:
    """Time of recording beyond the bare pass, beside that of the disk alone."""
    each = [
        f"{label} {markdown.number(found['record']['median'] - found['bare']['median'])} s ("
        f"{markdown.number(found['disk']['median'])} s)"
        for label, found in models.items()
    ]
    return (
        f"Beyond the bare pass recording takes, beside what the disk does alone: "
        f"{markdown.listed(each)}. Writing goes on behind the pass, but copying to the system's "
        "cache and syncing take processors, too, all of which the pass keeps busy."
    )


ITEM = Item("writing", "Keeping activations", measure, goals, section)
