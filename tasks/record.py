"""Recording one model on a shard of the images, into activations or straight into signatures."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from prefect import task
from prefect.cache_policies import NO_CACHE
from torch import Tensor
from tqdm import tqdm

from analysis.errors import AnalysisError
from analysis.networks.network import Network
from analysis.networks.recording import summarise
from analysis.networks.tap import Tap
from analysis.networks.transforms import transform
from analysis.similarity import NonFinite, check_finite, signature, unit
from storage import recordings, signatures
from storage.batches import Bounds
from storage.images import ImageSet
from storage.recordings import Recording
from storage.signatures import Signatures
from storage.store import Store, open_store
from tasks.references import ModelPlan
from tasks.survey import chosen_taps, network_of

# The cores of one machine, and its GPU, serve one network at a time.
_turn = threading.Lock()


@task(task_run_name="record {plan.name} shard {number}", cache_policy=NO_CACHE)
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
) -> int:
    """Record the batches of ``shard`` that are missing; how many that were.

    One process at a time writes a shard; a second one waits and then finds nothing to do.
    Raises ``AnalysisError`` naming model, tap and image for activations that are not finite.
    """
    opened = open_store(store)
    kept = prepare(plan, store=opened, keep=keep)
    with opened.lock(f"{kept.name}-{number}"), _turn:
        missing = [batch for batch in kept.ledger.missing() if batch in shard]
        if missing:
            network = network_of(plan.subject).to(device)
            _record(network, plan, images, kept, missing, forward_batch=forward_batch)
    return len(missing)


def prepare(plan: ModelPlan, *, store: Store, keep: str) -> Recording | Signatures:
    """What the batches of ``plan`` are written to, made with its metadata if it is new."""
    attributes = {"model": plan.name, "facts": plan.facts}
    if keep == "activations":
        return recordings.create(
            store,
            plan.identity,
            shapes={tap.name: tap.shape for tap in plan.taps},
            bounds=plan.bounds,
            batch=plan.batch,
            attributes=attributes,
        )
    return signatures.create(
        store,
        plan.identity,
        taps=[tap.name for tap in plan.taps],
        bounds=plan.bounds,
        attributes=attributes,
    )


def _record(
    network: Network,
    plan: ModelPlan,
    images: ImageSet,
    kept: Recording | Signatures,
    missing: Sequence[int],
    *,
    forward_batch: int,
) -> None:
    """Run the network over the missing batches and write each when it is complete."""
    bounds = [plan.bounds[batch] for batch in missing]
    total = sum(stop - start for start, stop in bounds)
    summary: Callable[[Tap, Tensor], Any] = _signed if isinstance(kept, Signatures) else _copied
    with tqdm(desc=f"record {plan.name}", total=total, unit="image") as bar:
        recorded: Iterator[dict[str, Any]] = summarise(
            network,
            chosen_taps(network, plan.subject),
            _batches(network, images, bounds, forward_batch=forward_batch),
            reduction=plan.reduction,
            summary=summary,
        )
        for batch, (start, stop) in zip(missing, bounds, strict=True):
            with naming(plan.name, images, start):
                values = next(recorded)
            kept.write(batch, values)
            bar.update(stop - start)


def _copied(tap: Tap, activations: Tensor) -> np.ndarray:
    """Activations to keep: a copy, since the tensor changes after the hook; finite."""
    values = np.array(activations.cpu().numpy(), order="C")
    with _at(tap.name):
        check_finite(values)
    return values


def _signed(tap: Tap, activations: Tensor) -> tuple[np.ndarray, float]:
    """The signature to keep in the activations' place."""
    return sign(tap.name, activations.cpu().numpy())


def sign(tap: str, activations: np.ndarray) -> tuple[np.ndarray, float]:
    """The signature of one batch at ``tap`` (images, *feature): unit vector float32, length."""
    with _at(tap):
        return unit(signature(activations))


@contextmanager
def _at(tap: str) -> Iterator[None]:
    try:
        yield
    except NonFinite as error:
        raise NonFinite(error.row, tap) from error


@contextmanager
def naming(model: str, images: ImageSet, start: int) -> Iterator[None]:
    """Say of which model and image activations are not finite; ``start`` is the batch's."""
    try:
        yield
    except NonFinite as error:
        raise AnalysisError(
            f"activations of {error.tap} in {model} are not finite, first for image "
            f"{images.ids[start + error.row]}; leave the tap or the image out, or use float32"
        ) from error


def _batches(
    network: Network, images: ImageSet, bounds: Sequence[Bounds], *, forward_batch: int
) -> Iterator[Iterator[Tensor]]:
    """For every statistical batch its forward batches (images, c, h, w)."""
    pieces = [
        [range(i, min(i + forward_batch, stop)) for i in range(start, stop, forward_batch)]
        for start, stop in bounds
    ]
    prepared = transform(network)
    stream = _ahead(lambda i: prepared(images.read(i)), list(chain.from_iterable(pieces)))
    for batch in pieces:
        yield islice(stream, len(batch))


def _ahead(load: Callable[[int], Tensor], pieces: Sequence[range]) -> Iterator[Tensor]:
    """Stacked images of every piece; threads read the next piece while one is in use."""
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        waiting = deque(pool.map(load, piece) for piece in pieces[:1])
        for following in [*pieces[1:], None]:
            if following is not None:
                waiting.append(pool.map(load, following))
            yield torch.stack(list(waiting.popleft()))
