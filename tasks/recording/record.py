"""Recording one model on a shard of the images, into activations or straight into signatures."""

from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.similarity.nearest.sketches import DEFAULT_PROJECTION, Projection
from seelike.storage.images import ImageSet
from seelike.storage.store import Store, open_store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.resources import activations_needed
from seelike.tasks.planning.survey import network_of
from seelike.tasks.recording.activation_errors import image_named
from seelike.tasks.recording.activations import ActivationSink, create_recording
from seelike.tasks.recording.forward_passes import run_passes
from seelike.tasks.recording.signature_sink import create_signatures
from seelike.tasks.recording.sink import Sink
from seelike.tasks.recording.sketches import create_sketches
from seelike.tasks.runtime import dask_cluster
from seelike.tasks.runtime.memory_backoff import halving_forward_batch
from seelike.tasks.runtime.retries import RETRIES
from seelike.tasks.runtime.run_log import run_log
from seelike.tasks.runtime.threads import NETWORK_LOCK


@task(task_run_name="record {plan.name} shard {number}", cache_policy=NO_CACHE, **RETRIES)
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
    """Record the batches of a shard that are missing, here or on a Dask worker.

    One process at a time writes a shard; a second one waits and then finds nothing to do.

    Args:
        plan: The model.
        images: The image set.
        store: The store's URL.
        keep: ``activations``, ``signatures`` or ``sketches``.
        number: The shard's number.
        shard: Its batches.
        device: The network's device.
        forward_batch: Images per forward pass, at most.
        projection: The projection of sketches.
        dask: The address of a Dask scheduler; None records here.

    Returns:
        How many batches were missing.

    Raises:
        AnalysisError: For activations that are not finite, with model, layer and image, and where
            one image per forward pass runs out of memory.
    """
    step = Shard(plan, keep=keep, number=number, batches=shard, projection=projection)
    return dask_cluster.run(
        dask,
        step.name,
        record_missing,
        step,
        images,
        store=store,
        device=device,
        forward_batch=forward_batch,
    )


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
        """The step's name in runs and messages."""
        return f"record {self.plan.name} shard {self.number}"

    def missing(self, sink: Sink) -> list[int]:
        """Return those of its batches that are not complete."""
        return [batch for batch in sink.missing() if batch in self.batches]

    def sink(self, store: Store) -> Sink:
        """Return the sink of its activations, created with its metadata if it is new."""
        if self.keep == "sketches":
            return create_sketches(self.plan, store=store, projection=self.projection)
        if self.keep == "signatures":
            return create_signatures(self.plan, store=store)
        return ActivationSink(create_recording(self.plan, store=store))


def record_missing(
    shard: Shard, images: ImageSet, *, store: str, device: str, forward_batch: int
) -> int:
    """Record the missing batches of ``shard`` in this process; see ``record_shard``."""
    opened, plan = open_store(store), shard.plan
    if shard.keep == "activations" and not activations_needed(plan, store=opened):
        return 0
    sink = shard.sink(opened)
    with opened.lock(f"{sink.name}-{shard.number}"), NETWORK_LOCK:
        missing = shard.missing(sink)
        if missing:
            run_log().info(
                f"{plan.name}: {len(missing)} of {len(shard.batches)} batches are missing"
            )
            _record(shard, images, sink, device=device, forward_batch=forward_batch)
        else:
            run_log().info(f"{plan.name}: all {len(shard.batches)} batches are there")
    return len(missing)


def _record(
    shard: Shard,
    images: ImageSet,
    sink: Sink,
    *,
    device: str,
    forward_batch: int,
) -> None:
    """Record with as many images per forward pass as memory holds; batches stay as they are."""
    plan = shard.plan
    network = network_of(plan.subject).to(device)

    def record(size: int) -> None:
        # After running out of memory the batches that were complete by then stay.
        if left := shard.missing(sink):
            run_passes(network, plan, images, sink, left, step=shard.name, forward_batch=size)

    longest = max(plan.batch_images)
    with image_named(images):
        halving_forward_batch(
            record,
            step=plan.name,
            forward_batch=min(forward_batch, longest),
            remedy="set keep: signatures, a smaller batch or fewer layers, or another device",
        )
