"""Signing a recording: from its activations to its signatures, all taps, as one Dask graph."""

import os
from typing import Any

import numpy as np
from dask.base import compute
from dask.delayed import Delayed, delayed
from prefect import task
from prefect.cache_policies import NO_CACHE
from threadpoolctl import threadpool_limits

from storage import recordings, signatures
from storage.images import ImageSet
from storage.recordings import Recording, open_recording
from storage.signatures import Signatures
from storage.store import open_store
from tasks.record import naming, prepare, sign
from tasks.references import ModelPlan, SignaturesReference

# Activations that one step of the graph holds at once, per thread.
GROUP_BYTES = 128 * 2**20


@task(task_run_name="sign {plan.name}", cache_policy=NO_CACHE)
def sign_recording(
    plan: ModelPlan, images: ImageSet, *, store: str, keep: str, recorded: list[int]
) -> SignaturesReference:
    """Complete the signatures of ``plan``, from its recording where activations were kept.

    ``recorded`` is what the shards recorded: the results this step waits for.
    """
    opened = open_store(store)
    reference = SignaturesReference(plan, signatures.name(plan.identity), sum(recorded))
    kept = prepare(plan, store=opened, keep="signatures")
    assert isinstance(kept, Signatures)
    if keep == "signatures" or not kept.ledger.missing():
        return reference
    recording = open_recording(opened, recordings.name(plan.identity))
    with opened.lock(kept.name):
        steps = graph(plan, images, recording, kept, kept.ledger.missing())
        # The threads scheduler does not know of BLAS's own threads.
        with threadpool_limits(1):
            compute(  # type: ignore[no-untyped-call]
                *steps, scheduler="threads", num_workers=os.cpu_count()
            )
    return reference


def graph(
    plan: ModelPlan,
    images: ImageSet,
    recording: Recording,
    kept: Signatures,
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
) -> dict[str, tuple[np.ndarray, float]]:
    with naming(plan.name, images, plan.bounds[batch][0]):
        return {tap: sign(tap, recording.read(batch, tap)) for tap in taps}


def _write(kept: Signatures, batch: int, groups: list[dict[str, Any]]) -> int:
    kept.write(batch, {tap: value for group in groups for tap, value in group.items()})
    return batch
