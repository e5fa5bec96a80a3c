"""The step that runs one analysis of one model, into a dataset of the store."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import xarray as xr
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.similarity.intervals.jackknife import LEVEL
from seelike.storage.arrays import xarray_datasets
from seelike.storage.images import ImageSet
from seelike.storage.store import Store, open_store
from seelike.tasks.anatomy.context import AnalysisInput, MissingPart, PartOutOfRange
from seelike.tasks.anatomy.registry import ANALYSES, Analysis
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.settings import DEFAULT_PARTS, ChosenParts
from seelike.tasks.planning.survey import network_of
from seelike.tasks.recording.activation_errors import image_named
from seelike.tasks.runtime import dask_cluster
from seelike.tasks.runtime.memory_backoff import halving_forward_batch
from seelike.tasks.runtime.retries import RETRIES
from seelike.tasks.runtime.run_log import run_log
from seelike.tasks.runtime.threads import NETWORK_LOCK
from seelike.tasks.runtime.versions import versions
from seelike.tasks.step_results import AnalysisResult


@task(task_run_name="{analysis} of {plan.name}", cache_policy=NO_CACHE, **RETRIES)
def analyze_model(
    plan: ModelPlan,
    images: ImageSet,
    *,
    analysis: str,
    count: int,
    store: str,
    device: str,
    forward_batch: int,
    chosen: ChosenParts = DEFAULT_PARTS,
    dask: str | None = None,
) -> AnalysisResult:
    """Run one analysis of one model, here or on a Dask worker, unless the store has its result.

    Args:
        plan: The model.
        images: The image set.
        analysis: A name in ``ANALYSES``.
        count: How many images are used, the first of the set.
        store: The store's URL.
        device: The network's device.
        forward_batch: Images per forward pass, at most.
        chosen: The attention and the tokens that the study chose.
        dask: The address of a Dask scheduler; None computes here.

    Returns:
        The result's name in the store, or the part that the model lacks.

    Raises:
        AnalysisError: The model has the part and it cannot be measured; the message names both.
    """
    return dask_cluster.run(
        dask,
        f"{analysis} of {plan.name}",
        analyze_here,
        plan,
        images,
        analysis=analysis,
        count=count,
        store=store,
        device=device,
        forward_batch=forward_batch,
        chosen=chosen,
    )


def analyze_here(
    plan: ModelPlan,
    images: ImageSet,
    *,
    analysis: str,
    count: int,
    store: str,
    device: str,
    forward_batch: int,
    chosen: ChosenParts = DEFAULT_PARTS,
) -> AnalysisResult:
    """Run one analysis of one model in this process; see ``analyze_model``."""
    opened = open_store(store)
    name = anatomy_name(plan, analysis=analysis, count=count, chosen=chosen)
    if xarray_datasets.exists(opened, name, kind=xarray_datasets.ANATOMY):
        return AnalysisResult(plan, analysis, name=name)
    with NETWORK_LOCK, image_named(images):
        network = network_of(plan.subject).to(device)
        step = f"{analysis.replace('_', ' ')} of {plan.name}"
        inputs = AnalysisInput(network, plan.subject, images, count, forward_batch, step, chosen)
        return _measured(inputs, plan, opened, analysis=analysis, name=name)


def _measured(
    inputs: AnalysisInput, plan: ModelPlan, store: Store, *, analysis: str, name: str
) -> AnalysisResult:
    """Compute the dataset and write it."""
    start = time.perf_counter()
    try:
        dataset = _in_memory(inputs, ANALYSES[analysis])
    except MissingPart as error:
        run_log().warning(f"{inputs.step}: {error}")
        return AnalysisResult(
            plan, analysis, missing_part=str(error), out_of_range=isinstance(error, PartOutOfRange)
        )
    dataset.attrs |= _about(plan, inputs, analysis) | {
        "seconds": round(time.perf_counter() - start, 2)
    }
    xarray_datasets.write(store, name, dataset, kind=xarray_datasets.ANATOMY)
    return AnalysisResult(plan, analysis, name=name, computed=True)


def _in_memory(inputs: AnalysisInput, analysis: Analysis) -> xr.Dataset:
    """Compute with as many images per forward pass as memory holds; groups stay as they are."""
    size = inputs.forward_batch
    if analysis.group > 1 and not analysis.several_groups:
        size = min(size, analysis.group)
    return halving_forward_batch(
        lambda size: analysis.compute(replace(inputs, forward_batch=size)),
        step=inputs.step,
        forward_batch=size,
        remedy="set another device, fewer layers or smaller images",
    )


def anatomy_name(
    plan: ModelPlan, *, analysis: str, count: int, chosen: ChosenParts = DEFAULT_PARTS
) -> str:
    """Return the digest of one analysis of one model on the first ``count`` images of its set."""
    known = plan.identity
    of = {"analysis": analysis, "count": count, "interval": ["jackknife", LEVEL]}
    one = ANALYSES[analysis]
    if one.group > 1:
        of |= {"group": one.group}
    if one.version > 1:
        of |= {"version": one.version}
    if one.reads_taps:
        of |= {"taps": known["taps"]}
    if analysis == "heads":
        of |= {"block": chosen.head_block}
    if analysis == "localization":
        of |= {"tokens": chosen.tokens}
    keys = ("images", "model", "preprocessing")
    return xarray_datasets.name(
        of | {key: known[key] for key in keys}, kind=xarray_datasets.ANATOMY
    )


def _about(plan: ModelPlan, inputs: AnalysisInput, analysis: str) -> dict[str, Any]:
    group = ANALYSES[analysis].group
    groups = f"groups of {group} images" if group > 1 else "images"
    return {
        "analysis": analysis,
        "model": plan.name,
        "facts": plan.facts,
        "images": inputs.images.describe() | {"used": inputs.count},
        "interval": f"{LEVEL:.0%}, jackknife over {groups}",
        "computed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": versions(),
    }
