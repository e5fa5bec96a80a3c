"""Forward passes: a network run over batches of images, into activations or what they sign."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from analysis.cores import cores
from analysis.networks.device_gram import DeviceGram, device_gram
from analysis.networks.network import Network
from analysis.networks.products import product
from analysis.networks.recording import summarise
from analysis.networks.tap import Tap
from analysis.networks.transforms import transform
from analysis.similarity import NonFinite, unit
from analysis.similarity.gram import gram, gram_of_product
from analysis.similarity.signature import packed
from storage.batches import Bounds
from storage.images import ImageSet
from storage.recordings import Recording
from tasks.behind import TapWriter, behind
from tasks.plans import ModelPlan
from tasks.progress import progress
from tasks.signing import Signing, at, naming, sign
from tasks.sketching import Sketching
from tasks.stopping import check
from tasks.survey import chosen_taps
from tasks.threads import one_blas_thread

# What the batches of a model are written to.
Kept = Recording | Signing | Sketching


def run_passes(
    network: Network,
    plan: ModelPlan,
    images: ImageSet,
    kept: Kept,
    missing: Sequence[int],
    *,
    step: str,
    forward_batch: int,
) -> None:
    """Run the network over the ``missing`` batches and write each when it is complete.

    ``step`` names it in progress artifacts. Raises ``AnalysisError`` naming model, tap and image
    for activations that are not finite, and ``Stopped`` where the run is to end.
    """
    bounds = [plan.bounds[batch] for batch in missing]
    total = sum(stop - start for start, stop in bounds)
    # Grams take their threads themselves; torch's own are not NumPy's, and stay as they are.
    with (
        tqdm(desc=f"record {plan.name}", total=total, unit="image") as bar,
        progress(step, total=total, unit="images") as show,
        one_blas_thread(),
        _keeping(plan, kept) as keeping,
    ):
        recorded: Iterator[dict[str, Any]] = summarise(
            network,
            chosen_taps(network, plan.subject),
            _batches(network, images, bounds, forward_batch=forward_batch),
            reduction=plan.reduction,
            summary=keeping.summary,
        )
        for batch, (start, stop) in zip(missing, bounds, strict=True):
            keeping.begin(batch)
            with naming(plan.name, images, start):
                values = {tap: settled(tap, value) for tap, value in next(recorded).items()}
            keeping.write(batch, values)
            bar.update(stop - start)
            show(stop - start)


@dataclass(frozen=True)
class _Keeping:
    """What is made of a tap's activations inside the hook, and where it goes when all are there."""

    summary: Callable[[Tap, Tensor], Any]
    write: Callable[[int, dict[str, Any]], None]
    begin: Callable[[int], None] = lambda _: None


@contextmanager
def _keeping(plan: ModelPlan, kept: Kept) -> Iterator[_Keeping]:
    """Activations are kept tap by tap, all else batch by batch, both behind the passes."""

    def unless_stopped(made: Callable[[Tap, Tensor], Any]) -> Callable[[Tap, Tensor], Any]:
        def summary(tap: Tap, x: Tensor) -> Any:
            check(f"recording {plan.name}")
            return made(tap, x)

        return summary

    if isinstance(kept, Signing | Sketching):
        with behind(kept.write) as write:
            yield _Keeping(unless_stopped(signer(plan.measures)), write)
    else:
        with TapWriter(kept) as writer:
            taken = unless_stopped(lambda tap, x: writer.take(tap.name, x))
            yield _Keeping(taken, writer.finish, writer.begin)


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


def _batches(
    network: Network, images: ImageSet, bounds: Sequence[Bounds], *, forward_batch: int
) -> Iterator[Iterator[Tensor]]:
    """For every statistical batch its forward batches (images, c, h, w)."""
    pieces = [
        [range(i, min(i + forward_batch, stop)) for i in range(start, stop, forward_batch)]
        for start, stop in bounds
    ]
    stream = forward_batches(network, images, list(chain.from_iterable(pieces)))
    for batch in pieces:
        yield islice(stream, len(batch))


def forward_batches(
    network: Network, images: ImageSet, pieces: Sequence[range]
) -> Iterator[Tensor]:
    """The images of every piece (n, c, h, w), as the network takes them."""
    prepared = transform(network)
    return _ahead(lambda i: prepared(images.read(i)), pieces)


def _ahead(load: Callable[[int], Tensor], pieces: Sequence[range]) -> Iterator[Tensor]:
    """Stacked images of every piece; threads read the next piece while one is in use."""
    with ThreadPoolExecutor(max(2, cores())) as pool:
        waiting = deque(pool.map(load, piece) for piece in pieces[:1])
        for following in [*pieces[1:], None]:
            if following is not None:
                waiting.append(pool.map(load, following))
            yield torch.stack(list(waiting.popleft()))
