"""Signatures of a complete recording, all taps as one Dask graph."""

import numpy as np
from dask.delayed import Delayed, delayed
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.storage.arrays.recordings import Recording, open_recording
from seelike.storage.images import ImageSet
from seelike.storage.store import open_store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.recording.activation_errors import image_named, in_batch
from seelike.tasks.recording.signature_sink import SignatureSink, create_signatures
from seelike.tasks.recording.signatures import Vectors, signatures_of
from seelike.tasks.runtime import dask_cluster
from seelike.tasks.runtime.cancellation import check
from seelike.tasks.runtime.retries import RETRIES
from seelike.tasks.runtime.threads import COMPUTE_SLOTS, compute_on_threads
from seelike.tasks.step_results import SignaturesResult

# Activations that one step of the graph holds at once, per thread.
GROUP_BYTES = 128 * 2**20


@task(task_run_name="sign {plan.name}", cache_policy=NO_CACHE, **RETRIES)
def sign_recording(
    plan: ModelPlan,
    images: ImageSet,
    *,
    store: str,
    keep: str,
    recorded: list[int],
    dask: str | None = None,
) -> SignaturesResult:
    """Complete the signatures of a model, from its recording where activations were kept.

    Args:
        plan: The model.
        images: The image set, for errors.
        store: The store's URL.
        keep: ``activations``; nothing else leaves anything to do here.
        recorded: How many batches each shard recorded: the results that this step waits for.
        dask: The address of a Dask scheduler; None computes here.

    Returns:
        The signatures.

    Raises:
        AnalysisError: For activations that are not finite, with model, layer and image.
        StorageError: For a recording that is incomplete or damaged.
    """
    if keep == "activations":
        dask_cluster.run(dask, f"sign {plan.name}", sign_missing, plan, images, store=store)
    return SignaturesResult(plan, sum(recorded))


def sign_missing(plan: ModelPlan, images: ImageSet, *, store: str) -> None:
    """Compute the signatures of the batches of a recording that have none yet."""
    opened = open_store(store)
    with COMPUTE_SLOTS:
        sink = create_signatures(plan, store=opened)
        missing = sink.missing()
        if not missing:
            return
        recording = open_recording(opened, plan.recording)
        with opened.lock(sink.name), image_named(images):
            compute_on_threads(graph(plan, recording, sink, sink.missing()))


def graph(
    plan: ModelPlan,
    recording: Recording,
    sink: SignatureSink,
    batches: list[int],
    *,
    group_bytes: int = GROUP_BYTES,
) -> list[Delayed]:
    """Build the Dask graph: a delayed write per batch, after the signatures of its groups of taps.

    Args:
        plan: The model.
        recording: Its activations.
        sink: Where the signatures go.
        batches: Numbers of the batches.
        group_bytes: Activations that one step may hold.
    """
    groups = tap_groups(plan, group_bytes=group_bytes)
    sign = delayed(_sign_group, pure=False)
    write = delayed(_write, pure=False)
    return [
        write(sink, batch, [sign(plan, recording, batch, group) for group in groups])
        for batch in batches
    ]


def tap_groups(plan: ModelPlan, *, group_bytes: int = GROUP_BYTES) -> list[list[str]]:
    """Group taps, in firing order, so that a batch of a group stays within ``group_bytes``."""
    groups: list[list[str]] = [[]]
    held = 0
    for tap in plan.taps:
        size = 4 * plan.batch * int(np.prod(tap.shape))
        if groups[-1] and held + size > group_bytes:
            groups.append([])
            held = 0
        groups[-1].append(tap.name)
        held += size
    return groups


def _sign_group(
    plan: ModelPlan, recording: Recording, batch: int, taps: list[str]
) -> dict[str, Vectors]:
    check(f"signing {plan.name}")
    with in_batch(plan.name, plan.bounds[batch][0]):
        return {tap: signatures_of(tap, recording.read(batch, tap), plan.measures) for tap in taps}


def _write(sink: SignatureSink, batch: int, groups: list[dict[str, Vectors]]) -> int:
    sink.write(batch, {tap: vectors for group in groups for tap, vectors in group.items()})
    return batch
