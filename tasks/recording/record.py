"""Recording one model on a shard of the images, into activations or straight into signatures."""

from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.out_of_memory import out_of_memory, release
from seelike.analysis.similarity.nearest.sketches import DEFAULT_PROJECTION, Projection
from seelike.storage.arrays import recordings
from seelike.storage.images import ImageSet
from seelike.storage.store import Store, open_store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.resources import activations_needed
from seelike.tasks.planning.survey import network_of
from seelike.tasks.recording.forward_passes import Kept, run_passes
from seelike.tasks.recording.signatures import create_signatures
from seelike.tasks.recording.sketches import create_sketches
from seelike.tasks.runtime import dask_cluster
from seelike.tasks.runtime.retries import RETRIED
from seelike.tasks.runtime.run_log import run_log
from seelike.tasks.runtime.threads import TURN


@task(task_run_name="record {plan.name} shard {number}", cache_policy=NO_CACHE, **RETRIED)
def record_shard(
    plan: ModelPlan,
    images: ImageSet,
    *,
    store: str,
    keep: str,
    number: int,
    shard: range,
    device: str,
    forward_batch: int,
    projection: Projection = DEFAULT_PROJECTION,
    dask: str | None = None,
) -> int:
    """Record the batches of ``shard`` that are missing, here or on a worker; how many that were.

    One process at a time writes a shard; a second one waits and then finds nothing to do.
    Raises ``AnalysisError`` naming model, tap and image for activations that are not finite.
    """
    step = Shard(plan, keep=keep, number=number, batches=shard, projection=projection)
    named: dict[str, Any] = {"store": store, "device": device, "forward_batch": forward_batch}
    if dask is None:
        return record_missing(step, images, **named)
    return dask_cluster.run(dask, step.name, record_missing, step, images, **named)


@dataclass(frozen=True)
class Shard:
    """The batches of one model that one step records."""

    plan: ModelPlan
    keep: str
    number: int
    batches: range
    projection: Projection = DEFAULT_PROJECTION

    @property
    def name(self) -> str:
        """What runs and messages call it."""
        return f"record {self.plan.name} shard {self.number}"

    def missing(self, kept: Kept) -> list[int]:
        """Those of its batches that are not complete."""
        return [batch for batch in kept.missing() if batch in self.batches]


def record_missing(
    shard: Shard, images: ImageSet, *, store: str, device: str, forward_batch: int
) -> int:
    """Record what is missing of ``shard``; errors as ``record_shard``."""
    opened, plan = open_store(store), shard.plan
    if shard.keep == "activations" and not activations_needed(plan, store=opened):
        return 0
    kept = prepare(plan, store=opened, keep=shard.keep, projection=shard.projection)
    with opened.lock(f"{kept.name}-{shard.number}"), TURN:
        missing = len(shard.missing(kept))
        if missing:
            run_log().info(f"{plan.name}: {missing} of {len(shard.batches)} batches are missing")
            network = network_of(plan.subject).to(device)
            _in_memory(network, shard, images, kept, forward_batch=forward_batch)
        else:
            run_log().info(f"{plan.name}: all {len(shard.batches)} batches are there")
    return missing


def _in_memory(
    network: Network,
    shard: Shard,
    images: ImageSet,
    kept: Kept,
    *,
    forward_batch: int,
) -> None:
    """Record with as many images a forward pass as memory has room for.

    The statistical batch stays what it is. Raises ``AnalysisError`` where one image is too much.
    """
    plan = shard.plan
    size = min(forward_batch, max(stop - start for start, stop in plan.bounds))
    while missing := shard.missing(kept):
        try:
            run_passes(network, plan, images, kept, missing, step=shard.name, forward_batch=size)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if size == 1:
                raise AnalysisError(
                    f"{plan.name} runs out of memory with one image a forward pass; set "
                    "keep: signatures, a smaller batch or fewer taps, or another device"
                ) from error
        else:
            return
        size //= 2
        release()
        run_log().warning(
            f"{plan.name} ran out of memory; going on with {size} images a forward pass, "
            f"the batch stays {plan.batch}"
        )


def prepare(
    plan: ModelPlan, *, store: Store, keep: str, projection: Projection = DEFAULT_PROJECTION
) -> Kept:
    """What the batches of ``plan`` are written to, made with its metadata if it is new."""
    if keep == "sketches":
        return create_sketches(plan, store=store, projection=projection)
    if keep == "signatures":
        return create_signatures(plan, store=store)
    return recordings.create(
        store,
        plan.identity,
        shapes={tap.name: tap.shape for tap in plan.taps},
        bounds=plan.bounds,
        batch=plan.batch,
        attributes={"model": plan.name, "facts": plan.facts},
    )
