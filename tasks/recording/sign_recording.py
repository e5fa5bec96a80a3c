"""Signatures of a complete recording, all taps as one Dask graph."""

import numpy as np
from dask.delayed import Delayed, delayed
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.storage.arrays.recordings import Recording, open_recording
from seelike.storage.images import ImageSet
from seelike.storage.store import open_store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.recording.activation_errors import naming
from seelike.tasks.recording.signatures import (
    SignatureSink,
    Signed,
    create_signatures,
    signatures_of,
)
from seelike.tasks.results import SignaturesResult
from seelike.tasks.runtime import dask_cluster
from seelike.tasks.runtime.cancellation import check
from seelike.tasks.runtime.retries import RETRIED
from seelike.tasks.runtime.threads import SEATS, computed

# Activations that one step of the graph holds at once, per thread.
GROUP_BYTES = 128 * 2**20


@task(task_run_name="sign {plan.name}", cache_policy=NO_CACHE, **RETRIED)
def sign_recording(
    plan: ModelPlan,
    images: ImageSet,
    *,
    store: str,
    keep: str,
    recorded: list[int],
    dask: str | None = None,
) -> SignaturesResult:
    """Complete the signatures of ``plan``, from its recording where activations were kept.

    ``recorded`` is what the shards recorded: the results this step waits for.
    """
    if keep == "activations":
        if dask is None:
            with SEATS:
                sign_missing(plan, images, store=store)
        else:
            dask_cluster.run(dask, f"sign {plan.name}", sign_missing, plan, images, store=store)
    return SignaturesResult(plan, sum(recorded))


def sign_missing(plan: ModelPlan, images: ImageSet, *, store: str) -> None:
    """Sign the batches of the recording of ``plan`` that have no signatures yet."""
    opened = open_store(store)
    kept = create_signatures(plan, store=opened)
    if not kept.missing():
        return
    recording = open_recording(opened, plan.recording)
    with opened.lock(kept.name):
        computed(graph(plan, images, recording, kept, kept.missing()))


def graph(
    plan: ModelPlan,
    images: ImageSet,
    recording: Recording,
    kept: SignatureSink,
    batches: list[int],
) -> list[Delayed]:
    """One delayed write a batch, each after the signing of its groups of taps."""
    groups = tap_groups(plan)
    signed = delayed(_sign_group, pure=False)
    write = delayed(_write, pure=False)
    return [
        write(kept, batch, [signed(plan, images, recording, batch, group) for group in groups])
        for batch in batches
    ]


def tap_groups(plan: ModelPlan) -> list[list[str]]:
    """Taps in firing order, grouped so that a batch of a group stays within ``GROUP_BYTES``."""
    groups: list[list[str]] = [[]]
    held = 0
    for tap in plan.taps:
        size = 4 * plan.batch * int(np.prod(tap.shape))
        if groups[-1] and held + size > GROUP_BYTES:
            groups.append([])
            held = 0
        groups[-1].append(tap.name)
        held += size
    return groups


def _sign_group(
    plan: ModelPlan, images: ImageSet, recording: Recording, batch: int, taps: list[str]
) -> dict[str, Signed]:
    check(f"signing {plan.name}")
    with naming(plan.name, images, plan.bounds[batch][0]):
        return {tap: signatures_of(tap, recording.read(batch, tap), plan.measures) for tap in taps}


def _write(kept: SignatureSink, batch: int, groups: list[dict[str, Signed]]) -> int:
    kept.write(batch, {tap: value for group in groups for tap, value in group.items()})
    return batch
