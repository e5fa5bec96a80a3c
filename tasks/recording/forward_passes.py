"""Forward passes: a network run over batches of images, into activations or what they sign."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from torch import Tensor
from tqdm import tqdm

from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.device_gram import DeviceGram, device_gram
from seelike.analysis.networks.recording.products import product
from seelike.analysis.networks.recording.recording import summarise
from seelike.analysis.similarity import NonFinite, unit
from seelike.analysis.similarity.gram import gram, gram_of_product
from seelike.analysis.similarity.signature import packed
from seelike.storage.arrays.batches import Bounds
from seelike.storage.arrays.recordings import Recording
from seelike.storage.images import ImageSet
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.survey import chosen_taps
from seelike.tasks.recording.activation_errors import at, naming
from seelike.tasks.recording.background_writer import RecordingWriter, background_write
from seelike.tasks.recording.image_loader import forward_batches
from seelike.tasks.recording.signatures import SignatureSink, signatures_of
from seelike.tasks.recording.sketches import SketchSink
from seelike.tasks.runtime.cancellation import check
from seelike.tasks.runtime.progress import progress
from seelike.tasks.runtime.threads import one_blas_thread

# What the batches of a model are written to.
Kept = Recording | SignatureSink | SketchSink


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

    if isinstance(kept, SignatureSink | SketchSink):
        with background_write(kept.write) as write:
            yield _Keeping(unless_stopped(signer(plan.measures)), write)
    else:
        with RecordingWriter(kept) as writer:
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
        return {"cka": linear, **signatures_of(tap.name, values, measures[1:])}

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
