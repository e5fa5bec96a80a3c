"""Probes of all layers of one model, from its recording, in one dataset."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr
from dask.delayed import delayed
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.cores import cores
from seelike.analysis.errors import AnalysisError
from seelike.analysis.probing import (
    GRID,
    Axes,
    Outcome,
    Probing,
    Split,
    accuracies,
    axes,
    probe,
    split,
    with_cells,
)
from seelike.analysis.similarity.intervals.jackknife import LEVEL
from seelike.storage.arrays import xarray_datasets
from seelike.storage.arrays.recordings import Recording, open_recording
from seelike.storage.digest import content_digest
from seelike.storage.images import ImageSet
from seelike.storage.store import Store, open_store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.runtime import dask_cluster
from seelike.tasks.runtime.cancellation import check
from seelike.tasks.runtime.progress import progress
from seelike.tasks.runtime.retries import RETRIES
from seelike.tasks.runtime.threads import COMPUTE_SLOTS, compute_on_threads
from seelike.tasks.runtime.versions import versions
from seelike.tasks.step_results import AnalysisResult

ANALYSIS = xarray_datasets.PROBES
PARTS = ("train", "held_out", "test")


@task(task_run_name="probe {plan.name}", cache_policy=NO_CACHE, **RETRIES)
def probe_model(
    plan: ModelPlan,
    images: ImageSet,
    *,
    design: Probing,
    store: str,
    memory: int,
    recorded: list[int],  # noqa: ARG001
    dask: str | None = None,
) -> AnalysisResult:
    """Fit all probes of one model, here or on a Dask worker, unless the store has them.

    Args:
        plan: The model.
        images: The image set, with labels.
        design: Features, shots and splits.
        store: The store's URL.
        memory: Bytes that may be held while probes are fitted.
        recorded: How many batches each shard recorded: the results that this step waits for.
        dask: The address of a Dask scheduler; None computes here.

    Returns:
        The probes' name in the store.

    Raises:
        AnalysisError: For images without labels, and a model of which no layer can be probed.
    """
    return dask_cluster.run(
        dask,
        f"probe {plan.name}",
        probe_here,
        plan,
        images,
        design=design,
        store=store,
        memory=memory,
    )


def probe_here(
    plan: ModelPlan, images: ImageSet, *, design: Probing, store: str, memory: int
) -> AnalysisResult:
    """Probe one model in this process; see ``probe_model``."""
    opened, name = open_store(store), probes_name(plan, images, design)
    if xarray_datasets.exists(opened, name, kind=ANALYSIS):
        return AnalysisResult(plan, ANALYSIS, name=name)
    with COMPUTE_SLOTS:
        start = time.perf_counter()
        parts = split_of(images, design)
        outcomes = _outcomes(plan, opened, parts, design, memory=memory)
    dataset = _dataset(plan, images, parts, outcomes)
    dataset.attrs |= _about(plan, images, parts, design) | {
        "seconds": round(time.perf_counter() - start, 2)
    }
    xarray_datasets.write(opened, name, dataset, kind=ANALYSIS)
    return AnalysisResult(plan, ANALYSIS, name=name, computed=True)


def split_of(images: ImageSet, design: Probing) -> Split:
    """Split the images into train, held-out and test; ``AnalysisError`` without labels."""
    if images.labels is None:
        raise AnalysisError(
            f"the images of {images.source} have no labels, which probes learn; take sample, "
            "digits, or a folder in which every image lies in a subfolder of its class"
        )
    return split(images.labels, design)


def probes_name(plan: ModelPlan, images: ImageSet, design: Probing) -> str:
    """Return the digest of all probes of one model on the labels of ``images``."""
    labels = np.array(images.labels, np.int64).tobytes()
    of = {"probing": asdict(design), "labels": content_digest([labels]), "grid": GRID.tolist()}
    of |= {"interval": ["jackknife", LEVEL], "recording": plan.recording}
    return xarray_datasets.name(of, kind=ANALYSIS)


def axes_of(plan: ModelPlan) -> dict[str, Axes]:
    """Find the meaning of the axes of every tap's recorded array."""
    _, height, width = plan.facts["input"]
    return with_cells(
        {
            tap.name: axes(
                tap.layout.kind,
                tap.shape,
                prefix=tap.layout.prefix,
                class_token=tap.layout.class_token,
                aspect=height / width,
            )
            for tap in plan.taps
        }
    )


def _outcomes(
    plan: ModelPlan, store: Store, parts: Split, design: Probing, *, memory: int
) -> dict[str, list[Outcome]]:
    """Fit the probes of every tap, as many taps at once as there are cores."""
    recording, all_axes = open_recording(store, plan.recording), axes_of(plan)
    with_tokens = [name for name, one in all_axes.items() if one.cells is not None]
    chosen = {"all": with_tokens, "last": with_tokens[-1:], "none": []}[design.tokens]
    step = f"probe {plan.name}"
    with progress(step, total=len(plan.taps), unit="taps") as shown:

        def fit(tap: str) -> list[Outcome]:
            found = probe(
                _blocks(recording, tap, step),
                all_axes[tap],
                parts,
                design,
                tokens=tap in chosen,
                memory=memory // cores(),
            )
            shown.advance(1)
            return found

        run = delayed(fit, pure=False)
        found = compute_on_threads([run(tap) for tap in all_axes])
    return dict(zip(all_axes, found, strict=True))


def _blocks(
    recording: Recording, tap: str, step: str
) -> Callable[[], Iterator[tuple[int, np.ndarray]]]:
    """Return a function that reads the batches of one tap; it ends where the run is to end."""

    def blocks() -> Iterator[tuple[int, np.ndarray]]:
        for batch, (start, _) in enumerate(recording.bounds):
            check(step)
            yield start, recording.read(batch, tap)

    return blocks


def _dataset(
    plan: ModelPlan, images: ImageSet, parts: Split, outcomes: dict[str, list[Outcome]]
) -> xr.Dataset:
    """Make the dataset of accuracies over ``probe``: a tap, a feature of it, and the shots."""
    depth = {tap.name: tap.depth for tap in plan.taps}
    each = [(tap, one) for tap, own in outcomes.items() for one in own]
    left_out = {
        tap: "no axis of it is known to be tokens or pixels"
        for tap, own in outcomes.items()
        if not own
    }
    if not each:
        raise AnalysisError(
            f"no layer of {plan.name} can be probed: no axis of {', '.join(left_out)} is known "
            "to be tokens or pixels; choose other taps"
        )
    part_of_image = np.empty(len(images), object)
    for part in PARTS:
        part_of_image[getattr(parts, part)] = part
    dataset = xr.Dataset(
        {"penalty": ("probe", [one.penalty for _, one in each])},
        coords={
            "tap": ("probe", [tap for tap, _ in each]),
            "depth": ("probe", [depth[tap] for tap, _ in each]),
            "feature": ("probe", [one.feature for _, one in each]),
            "row": ("probe", [one.row for _, one in each]),
            "column": ("probe", [one.column for _, one in each]),
            "shots": ("probe", [one.shots for _, one in each]),
            "image": list(images.ids),
            "part": ("image", part_of_image.astype(str)),
        },
        attrs={"left_out": left_out},
    )
    accuracies([one.hits for _, one in each]).enter(dataset, "accuracy", "probe")
    return dataset


def _about(plan: ModelPlan, images: ImageSet, parts: Split, design: Probing) -> dict[str, Any]:
    return {
        "model": plan.name,
        "facts": plan.facts,
        "images": images.describe() | {"used": len(images)},
        "probing": asdict(design),
        "split": {part: len(getattr(parts, part)) for part in PARTS} | {"seed": design.seed},
        "classes": list(parts.classes),
        "chance": parts.chance,
        "recording": plan.recording,
        "interval": f"{LEVEL:.0%}, jackknife over {len(parts.test)} test images in groups, "
        f"and over {design.draws} draws",
        "computed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": versions(),
    }
