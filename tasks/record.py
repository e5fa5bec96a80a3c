"""Recording one model on a shard of the images, into activations or straight into signatures."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
from analysis.networks.device_gram import DeviceGram, device_gram
from analysis.networks.network import Network
from analysis.networks.products import product
from analysis.networks.recording import summarise
from analysis.networks.tap import Tap
from analysis.networks.transforms import transform
from analysis.similarity import NonFinite, check_finite, unit
from analysis.similarity.gram import gram, gram_of_product
from analysis.similarity.signature import packed
from storage import recordings
from storage.batches import Bounds
from storage.images import ImageSet
from storage.recordings import Recording
from storage.store import Store, open_store
from tasks.references import ModelPlan
from tasks.signing import Signing, at, naming, sign, signing
from tasks.survey import activations_needed, chosen_taps, network_of
from tasks.threads import one_blas_thread

# The cores of one machine, and its GPU, serve one network at a time.
_turn = threading.Lock()


# Set by whoever is told to stop: recordings end after the batch they are at.
_stopped = threading.Event()


class Stopped(AnalysisError):
    """A recording ended early because its run was interrupted; what is complete stays."""

    def __init__(self, model: str) -> None:
        super().__init__(f"recording {model} was interrupted; the same run goes on where it ended")


@contextmanager
def stopping_on_interrupt() -> Iterator[None]:
    """End all recordings of this process at their next batch when Ctrl-C comes."""
    _stopped.clear()
    try:
        yield
    except KeyboardInterrupt:
        _stopped.set()
        raise


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
    if keep == "activations" and not activations_needed(plan, store=opened):
        return 0
    kept = prepare(plan, store=opened, keep=keep)
    with opened.lock(f"{kept.name}-{number}"), _turn:
        missing = [batch for batch in kept.missing() if batch in shard]
        if missing:
            network = network_of(plan.subject).to(device)
            _record(network, plan, images, kept, missing, forward_batch=forward_batch)
    return len(missing)


def prepare(plan: ModelPlan, *, store: Store, keep: str) -> Recording | Signing:
    """What the batches of ``plan`` are written to, made with its metadata if it is new."""
    if keep == "signatures":
        return signing(plan, store=store)
    return recordings.create(
        store,
        plan.identity,
        shapes={tap.name: tap.shape for tap in plan.taps},
        bounds=plan.bounds,
        batch=plan.batch,
        attributes={"model": plan.name, "facts": plan.facts},
    )


def _record(
    network: Network,
    plan: ModelPlan,
    images: ImageSet,
    kept: Recording | Signing,
    missing: Sequence[int],
    *,
    forward_batch: int,
) -> None:
    """Run the network over the missing batches and write each when it is complete."""
    bounds = [plan.bounds[batch] for batch in missing]
    total = sum(stop - start for start, stop in bounds)
    # Grams take their threads themselves; torch's own are not NumPy's, and stay as they are.
    with (
        tqdm(desc=f"record {plan.name}", total=total, unit="image") as bar,
        one_blas_thread(),
        _behind(kept.write) as write,
    ):
        recorded: Iterator[dict[str, Any]] = summarise(
            network,
            chosen_taps(network, plan.subject),
            _batches(network, images, bounds, forward_batch=forward_batch),
            reduction=plan.reduction,
            summary=_summary(plan, kept),
        )
        for batch, (start, stop) in zip(missing, bounds, strict=True):
            if _stopped.is_set():
                raise Stopped(plan.name)
            with naming(plan.name, images, start):
                values = {tap: settled(tap, value) for tap, value in next(recorded).items()}
            write(batch, values)
            bar.update(stop - start)


@contextmanager
def _behind(write: Callable[..., None]) -> Iterator[Callable[..., None]]:
    """``write`` on a thread of its own while the next batch runs; one batch waits at most.

    A write that failed is raised by the next one, or at the end.
    """
    waiting: list[Future[None]] = []

    def following(*arguments: Any) -> None:
        for future in waiting:
            future.result()
        waiting[:] = [writer.submit(write, *arguments)]

    with ThreadPoolExecutor(1) as writer:
        yield following
        for future in waiting:
            future.result()


def _summary(plan: ModelPlan, kept: Recording | Signing) -> Callable[[Tap, Tensor], Any]:
    """What is made of a tap's activations inside the hook: their copy, or their signature."""
    return signer(plan.measures) if isinstance(kept, Signing) else _copied


def signer(measures: Sequence[str]) -> Callable[[Tap, Tensor], Any]:
    """What makes a tap's activations its signatures, inside the hook; to be ``settled`` after.

    The first of ``measures`` is CKA, as in every study.
    """

    def signed(tap: Tap, x: Tensor) -> Any:
        if x.is_cuda and tuple(measures) == ("cka",):
            return device_gram(x)
        values = x.cpu().numpy()
        with at(tap.name):
            # On torch's threads, which are there anyway; the others take NumPy's.
            linear = unit(packed(gram(values, product=product)))
        return {"cka": linear, **sign(tap.name, values, measures[1:])}

    return signed


def settled(tap: str, value: Any) -> Any:
    """What was left on a device when the hook returned, made a signature; all else as it is."""
    if not isinstance(value, DeviceGram):
        return value
    with at(tap):
        row = value.first_not_finite()
        if row is not None:
            raise NonFinite(row)
        product, energy = value.product()
        return {"cka": unit(packed(gram_of_product(product, mean_energy=energy)))}


def _copied(tap: Tap, activations: Tensor) -> np.ndarray:
    """Activations to keep: a copy, since the tensor changes after the hook; finite."""
    # By torch, whose threads are awake: NumPy copies and sums on one core.
    values = torch.empty(activations.shape, dtype=activations.dtype).copy_(activations)
    if not torch.isfinite(values.sum()):
        with at(tap.name):
            check_finite(values.numpy())
    return values.numpy()


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
