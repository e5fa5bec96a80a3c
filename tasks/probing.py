"""Probing one model: all probes of all its taps, from its recording, into one dataset."""

import threading
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
from tqdm import tqdm

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
from seelike.tasks.results import AnalysisResult
from seelike.tasks.runtime import dask_cluster
from seelike.tasks.runtime.cancellation import check
from seelike.tasks.runtime.progress import progress
from seelike.tasks.runtime.retries import RETRIED
from seelike.tasks.runtime.threads import SEATS, computed
from seelike.tasks.runtime.versions import versions

ANALYSIS = xarray_datasets.PROBES
PARTS = ("train", "held_out", "test")


@task(task_run_name="probe {plan.name}", cache_policy=NO_CACHE, **RETRIED)
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
    """All probes of one model, here or on a worker; they are not done again if they are there.

    ``recorded`` is what the shards recorded: the results this step waits for. ``memory`` bounds
    the bytes of what is learnt at a time.
    """
    named: dict[str, Any] = {"design": design, "store": store, "memory": memory}
    if dask is None:
        with SEATS:
            return probed(plan, images, **named)
    return dask_cluster.run(dask, f"probe {plan.name}", probed, plan, images, **named)


def probed(
    plan: ModelPlan, images: ImageSet, *, design: Probing, store: str, memory: int
) -> AnalysisResult:
    """The same, in this process; errors as ``probe_model``."""
    opened, name = open_store(store), probes_name(plan, images, design)
    if xarray_datasets.exists(opened, name, kind=ANALYSIS):
        return AnalysisResult(plan, ANALYSIS, name=name)
    start = time.perf_counter()
    of = split_of(images, design)
    dataset = _dataset(plan, images, of, _tested(plan, opened, of, design, memory=memory))
    dataset.attrs |= _about(plan, images, of, design) | {
        "seconds": round(time.perf_counter() - start, 2)
    }
    xarray_datasets.write(opened, name, dataset, kind=ANALYSIS)
    return AnalysisResult(plan, ANALYSIS, name=name, computed=True)


def split_of(images: ImageSet, design: Probing) -> Split:
    """Which images are for what. Raises ``AnalysisError`` where they can't be probed on."""
    if images.labels is None:
        raise AnalysisError(
            f"the images of {images.source} have no labels, which probes learn; take sample, "
            "digits, or a folder in which every image lies in a subfolder of its class"
        )
    return split(images.labels, design)


def probes_name(plan: ModelPlan, images: ImageSet, design: Probing) -> str:
    """The digest of all probes of one model by the labels of ``images``."""
    labels = np.array(images.labels, np.int64).tobytes()
    of = {"probing": asdict(design), "labels": content_digest([labels]), "grid": GRID.tolist()}
    of |= {"interval": ["jackknife", LEVEL], "recording": plan.recording}
    return xarray_datasets.name(of, kind=ANALYSIS)


def axes_of(plan: ModelPlan) -> dict[str, Axes]:
    """How the recorded array of every tap is read."""
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


def _tested(
    plan: ModelPlan, store: Store, of: Split, design: Probing, *, memory: int
) -> dict[str, list[Outcome]]:
    """The probes of every tap, as many taps at once as there are cores."""
    recording, all_axes = open_recording(store, plan.recording), axes_of(plan)
    with_tokens = [name for name, one in all_axes.items() if one.cells is not None]
    chosen = {"all": with_tokens, "last": with_tokens[-1:], "none": []}[design.tokens]
    step = f"probe {plan.name}"
    named: dict[str, Any] = {"total": len(plan.taps)}
    one_at_a_time = threading.Lock()
    with tqdm(desc=step, unit="tap", **named) as bar, progress(step, unit="taps", **named) as show:

        def done(tested: list[Outcome]) -> list[Outcome]:
            with one_at_a_time:
                bar.update(1)
                show(1)
            return tested

        def steps(tap: str) -> list[Outcome]:
            return done(
                probe(
                    _blocks(recording, tap, step),
                    all_axes[tap],
                    of,
                    design,
                    tokens=tap in chosen,
                    memory=memory // cores(),
                )
            )

        run = delayed(steps, pure=False)
        found = computed([run(tap) for tap in all_axes])
    return dict(zip(all_axes, found, strict=True))


def _blocks(
    recording: Recording, tap: str, step: str
) -> Callable[[], Iterator[tuple[int, np.ndarray]]]:
    """The batches of one tap as probes read them; ends where the run is to end."""

    def blocks() -> Iterator[tuple[int, np.ndarray]]:
        for batch, (start, _) in enumerate(recording.bounds):
            check(step)
            yield start, recording.read(batch, tap)

    return blocks


def _dataset(
    plan: ModelPlan, images: ImageSet, of: Split, tested: dict[str, list[Outcome]]
) -> xr.Dataset:
    """Accuracy over ``probe``: of a tap, a feature of it, and how much was learnt from."""
    depth = {tap.name: tap.depth for tap in plan.taps}
    each = [(tap, one) for tap, own in tested.items() for one in own]
    left_out = {
        tap: "no axis of it is known to be tokens or pixels"
        for tap, own in tested.items()
        if not own
    }
    if not each:
        raise AnalysisError(
            f"no tap of {plan.name} has features that can be probed: of {', '.join(left_out)} no "
            "axis is known to be tokens or pixels; choose other taps"
        )
    parts = np.empty(len(images), object)
    for part in PARTS:
        parts[getattr(of, part)] = part
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
            "part": ("image", parts.astype(str)),
        },
        attrs={"left_out": left_out},
    )
    accuracies([one.hits for _, one in each]).enter(dataset, "accuracy", "probe")
    return dataset


def _about(plan: ModelPlan, images: ImageSet, of: Split, design: Probing) -> dict[str, Any]:
    return {
        "model": plan.name,
        "facts": plan.facts,
        "images": images.describe() | {"used": len(images)},
        "probing": asdict(design),
        "split": {part: len(getattr(of, part)) for part in PARTS} | {"seed": design.seed},
        "classes": list(of.classes),
        "chance": of.chance,
        "recording": plan.recording,
        "interval": f"{LEVEL:.0%}, jackknife over {len(of.test)} test images in groups, and over "
        f"{design.draws} draws",
        "computed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": versions(),
    }
