"""Forward passes: a network run over batches of images, its activations handed to a sink."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from torch import Tensor

from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import summarise
from seelike.storage.arrays.batches import Bounds
from seelike.storage.images import ImageSet
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.survey import chosen_taps
from seelike.tasks.recording.activation_errors import in_batch
from seelike.tasks.recording.image_loader import forward_batches
from seelike.tasks.recording.sink import Sink
from seelike.tasks.runtime.cancellation import check
from seelike.tasks.runtime.progress import progress
from seelike.tasks.runtime.threads import one_blas_thread


def run_passes(
    network: Network,
    plan: ModelPlan,
    images: ImageSet,
    sink: Sink,
    missing: Sequence[int],
    *,
    step: str,
    forward_batch: int,
) -> None:
    """Run a network over batches of images; the sink gets the activations of each.

    Args:
        network: The network, on its device.
        plan: Its taps, reduction and batches.
        images: The image set.
        sink: What keeps the activations, or what it makes of them.
        missing: Numbers of the batches to run.
        step: The step's name in progress artifacts.
        forward_batch: Images per forward pass.

    Raises:
        NonFiniteImage: For activations that are not finite, with model, layer and image's number.
        AnalysisError: For activations that a measure cannot take.
        Stopped: Where the run is to end.
    """
    bounds = [plan.bounds[batch] for batch in missing]
    total = sum(stop - start for start, stop in bounds)

    def hand_over(tap: Tap, activations: Tensor) -> None:
        check(f"recording {plan.name}")
        sink.take(tap, activations)

    # Grams take their threads themselves; torch's own are not NumPy's, and stay as they are.
    with (
        progress(step, total=total, unit="images") as shown,
        one_blas_thread(),
        sink,
    ):
        passes = summarise(
            network,
            chosen_taps(network, plan.subject),
            _batches(network, images, bounds, forward_batch=forward_batch),
            reduction=plan.reduction,
            summary=hand_over,
        )
        for batch, (start, stop) in zip(missing, bounds, strict=True):
            sink.begin(batch)
            with in_batch(plan.name, start):
                next(passes)
                sink.finish()
            shown.advance(stop - start)


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
