"""Looking into one model: each analysis a step, its numbers a dataset in the store."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import xarray as xr
from prefect import task
from prefect.cache_policies import NO_CACHE

from analysis.errors import AnalysisError
from analysis.networks.exhaustion import out_of_memory, release
from analysis.similarity.jackknife import LEVEL
from storage import comparisons
from storage.images import ImageSet
from storage.store import Store, open_store
from tasks import cluster
from tasks.analyses import ANALYSES, Analysis
from tasks.plans import ModelPlan
from tasks.references import USUAL, Chosen, Found
from tasks.retries import RETRIED
from tasks.run_log import run_log
from tasks.seen import Beyond, Lacks, Seen
from tasks.survey import network_of
from tasks.threads import TURN
from tasks.versions import versions


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
) -> Found:
    """One of ``ANALYSES`` of one model on the first ``count`` images, here or on a worker.

    It is not done again if it is there. A model that lacks the part is no error: what is found
    says so. Raises ``AnalysisError`` where the part is there and can't be measured, naming model
    and part.
    """
    named: dict[str, Any] = {"analysis": analysis, "count": count, "store": store}
    named |= {"device": device, "forward_batch": forward_batch, "chosen": chosen}
    if dask is None:
        return looked_into(plan, images, **named)
    return cluster.run(dask, f"{analysis} of {plan.name}", looked_into, plan, images, **named)


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
) -> Found:
    """The same, in this process; errors as ``look_into``."""
    opened = open_store(store)
    name = anatomy_name(plan, analysis=analysis, count=count, chosen=chosen)
    if comparisons.exists(opened, name, kind=comparisons.ANATOMY):
        return Found(plan, analysis, name=name)
    with TURN:
        network = network_of(plan.subject).to(device)
        step = f"{analysis.replace('_', ' ')} of {plan.name}"
        seen = Seen(network, plan.subject, images, count, forward_batch, step, chosen)
        return _measured(seen, plan, opened, analysis=analysis, name=name)


def _measured(seen: Seen, plan: ModelPlan, store: Store, *, analysis: str, name: str) -> Found:
    """Measure and keep."""
    start = time.perf_counter()
    try:
        dataset = _in_memory(seen, ANALYSES[analysis])
    except Lacks as error:
        run_log().warning(f"{seen.step}: {error}")
        return Found(plan, analysis, lacks=str(error), beyond=isinstance(error, Beyond))
    dataset.attrs |= _about(plan, seen, analysis) | {
        "seconds": round(time.perf_counter() - start, 2)
    }
    comparisons.write(store, name, dataset, kind=comparisons.ANATOMY)
    return Found(plan, analysis, name=name, computed=True)


def _in_memory(seen: Seen, analysis: Analysis) -> xr.Dataset:
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
    return comparisons.name(of | {key: known[key] for key in keys}, kind=comparisons.ANATOMY)


def _about(plan: ModelPlan, seen: Seen, analysis: str) -> dict[str, Any]:
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
