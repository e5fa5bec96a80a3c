"""Looking into one model: each analysis a step, its numbers a dataset in the store."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import xarray as xr
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.out_of_memory import out_of_memory, release
from seelike.analysis.similarity.intervals.jackknife import LEVEL
from seelike.storage.arrays import xarray_datasets
from seelike.storage.images import ImageSet
from seelike.storage.store import Store, open_store
from seelike.tasks.anatomy.context import AnalysisInput, MissingPart, PartOutOfRange
from seelike.tasks.anatomy.registry import ANALYSES, Analysis
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.settings import USUAL, Chosen
from seelike.tasks.planning.survey import network_of
from seelike.tasks.results import AnalysisResult
from seelike.tasks.runtime import dask_cluster
from seelike.tasks.runtime.retries import RETRIED
from seelike.tasks.runtime.run_log import run_log
from seelike.tasks.runtime.threads import TURN
from seelike.tasks.runtime.versions import versions


@task(task_run_name="{analysis} of {plan.name}", cache_policy=NO_CACHE, **RETRIED)
def look_into(
    plan: ModelPlan,
    images: ImageSet,
    *,
    analysis: str,
    count: int,
    store: str,
    device: str,
    forward_batch: int,
    chosen: Chosen = USUAL,
    dask: str | None = None,
) -> AnalysisResult:
    """One of ``ANALYSES`` of one model on the first ``count`` images, here or on a worker.

    It is not done again if it is there. A model that lacks the part is no error: what is found
    says so. Raises ``AnalysisError`` where the part is there and can't be measured, naming model
    and part.
    """
    named: dict[str, Any] = {"analysis": analysis, "count": count, "store": store}
    named |= {"device": device, "forward_batch": forward_batch, "chosen": chosen}
    if dask is None:
        return looked_into(plan, images, **named)
    return dask_cluster.run(dask, f"{analysis} of {plan.name}", looked_into, plan, images, **named)


def looked_into(
    plan: ModelPlan,
    images: ImageSet,
    *,
    analysis: str,
    count: int,
    store: str,
    device: str,
    forward_batch: int,
    chosen: Chosen = USUAL,
) -> AnalysisResult:
    """The same, in this process; errors as ``look_into``."""
    opened = open_store(store)
    name = anatomy_name(plan, analysis=analysis, count=count, chosen=chosen)
    if xarray_datasets.exists(opened, name, kind=xarray_datasets.ANATOMY):
        return AnalysisResult(plan, analysis, name=name)
    with TURN:
        network = network_of(plan.subject).to(device)
        step = f"{analysis.replace('_', ' ')} of {plan.name}"
        seen = AnalysisInput(network, plan.subject, images, count, forward_batch, step, chosen)
        return _measured(seen, plan, opened, analysis=analysis, name=name)


def _measured(
    seen: AnalysisInput, plan: ModelPlan, store: Store, *, analysis: str, name: str
) -> AnalysisResult:
    """Measure and keep."""
    start = time.perf_counter()
    try:
        dataset = _in_memory(seen, ANALYSES[analysis])
    except MissingPart as error:
        run_log().warning(f"{seen.step}: {error}")
        return AnalysisResult(
            plan, analysis, missing_part=str(error), out_of_range=isinstance(error, PartOutOfRange)
        )
    dataset.attrs |= _about(plan, seen, analysis) | {
        "seconds": round(time.perf_counter() - start, 2)
    }
    xarray_datasets.write(store, name, dataset, kind=xarray_datasets.ANATOMY)
    return AnalysisResult(plan, analysis, name=name, computed=True)


def _in_memory(seen: AnalysisInput, analysis: Analysis) -> xr.Dataset:
    """Measure with as many images a forward pass as memory has room for.

    Groups of images stay what they are. Raises ``AnalysisError`` where one image is too much.
    """
    size = seen.forward_batch
    if analysis.group > 1 and not analysis.several_groups:
        size = min(size, analysis.group)
    while True:
        try:
            return analysis.look(replace(seen, forward_batch=size))
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if size == 1:
                raise AnalysisError(
                    f"{seen.step} runs out of memory with one image a forward pass; set another "
                    "device, fewer taps or smaller images"
                ) from error
        size //= 2
        release()
        run_log().warning(
            f"{seen.step} ran out of memory; it starts again with {size} images a forward pass"
        )


def anatomy_name(plan: ModelPlan, *, analysis: str, count: int, chosen: Chosen = USUAL) -> str:
    """The digest of one analysis of one model on the first ``count`` images of its set."""
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


def _about(plan: ModelPlan, seen: AnalysisInput, analysis: str) -> dict[str, Any]:
    group = ANALYSES[analysis].group
    groups = f"groups of {group} images" if group > 1 else "images"
    return {
        "analysis": analysis,
        "model": plan.name,
        "facts": plan.facts,
        "images": seen.images.describe() | {"used": seen.count},
        "interval": f"{LEVEL:.0%}, jackknife over {groups}",
        "computed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": versions(),
    }
