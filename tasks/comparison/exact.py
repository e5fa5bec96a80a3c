"""CKA over all images at once, from recordings: a plan that fits, then Dask graphs of its steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from dask.base import compute
from dask.delayed import delayed

from seelike.analysis.cores import cores
from seelike.analysis.similarity.cka import RBF_WIDTH
from seelike.analysis.similarity.exact import exact
from seelike.analysis.similarity.exact.image_blocks import Layout, layout
from seelike.analysis.similarity.exact.shuffles import Shuffles
from seelike.storage.arrays.recordings import Recording
from seelike.tasks.comparison.taps import check_same_images
from seelike.tasks.runtime.threads import one_blas_thread

MEMORY = 4_000_000_000
Result = TypeVar("Result")


@dataclass(frozen=True)
class ExactResult:
    """CKA (T, T) float64, its ``interval`` (low, high), and under permutations (R, T, T) float32.

    No interval with a single batch.
    """

    value: np.ndarray
    interval: tuple[np.ndarray, np.ndarray] | None
    drawn: np.ndarray


def exact_cka(
    kept: Sequence[Recording],
    *,
    estimator: str = "debiased",
    kernel: str = "linear",
    width: float = RBF_WIDTH,
    memory: int = MEMORY,
    present: np.ndarray | None = None,
    permutations: int = 0,
    seed: int = 0,
) -> ExactResult:
    """Compute CKA of all taps of all recordings over all images at once.

    Args:
        kept: Recordings of the same images in the same batches.
        estimator: ``debiased`` or ``biased``, as ``analysis.similarity.cka``.
        kernel: ``linear`` or ``rbf``.
        width: Width of the RBF kernel, a multiple of the median distance of the first 2048 images.
        memory: Bytes that the process may take.
        present: Indices of the taps to compare, into all of them; None compares all.
        permutations: How many times images are shuffled, within blocks of whole batches.
        seed: The shuffles' seed.

    Returns:
        CKA of the T taps, its interval (``exact.estimate``), and CKA under each shuffle.

    Raises:
        AnalysisError: For recordings of other images, and for too little memory, both before
            anything is read.
        StorageError: For a recording that is incomplete or damaged.
        DegenerateTaps: For taps that are constant, with indices into the T.
    """
    exact.check_choice(estimator, kernel)
    check_same_images([_identity(one) for one in kept])
    for one in kept:
        for batch in one.ledger.missing():
            one.ledger.checksums(batch)  # Says that the batch was never completed.
    every = [(one, tap) for one in kept for tap in one.taps]
    places = every if present is None else [every[int(i)] for i in present]
    blocks = layout_of(places)
    shuffles = Shuffles(permutations, seed)
    plan = exact.plan(blocks, kernel=kernel, width=width, memory=memory, shuffles=shuffles)

    def read(tap: int, block: int) -> np.ndarray:
        return read_block(*places[tap], blocks.batches[block])

    def run(steps: Sequence[Callable[[], Result]]) -> list[Result]:
        return on_threads(steps, workers=plan.workers)

    # The threads scheduler does not know of BLAS's own threads.
    with one_blas_thread():
        sums = plan.sums(read, run)
        value, low, high = exact.estimate(sums, estimator=estimator)
        drawn = exact.shuffled(sums, shuffles, estimator=estimator)
    return ExactResult(value, None if low is None or high is None else (low, high), drawn)


def layout_of(places: Sequence[tuple[Recording, str]]) -> Layout:
    """Lay out the images of all taps in blocks of whole batches."""
    shapes = [one.array(tap).shape[1:] for one, tap in places]
    features = [int(np.prod(shape)) for shape in shapes]
    return layout(places[0][0].bounds, features, workers=cores())


def _identity(recording: Recording) -> tuple[str, Mapping[str, Any]]:
    """The model's name, and what identifies its recording."""
    attributes: Any = recording.group.attrs
    return str(attributes.get("model", recording.name[:12])), attributes["identity"]


def read_block(recording: Recording, tap: str, batches: range) -> np.ndarray:
    """Read activations (images, features) float32 of consecutive batches of one tap, checked."""
    if len(batches) == 1:
        values = recording.read(batches[0], tap)
        return values.reshape(len(values), -1)
    start, stop = recording.bounds[batches[0]][0], recording.bounds[batches[-1]][1]
    shape = recording.array(tap).shape[1:]
    block = np.empty((stop - start, int(np.prod(shape))), np.float32)
    for batch in batches:
        own = slice(*(edge - start for edge in recording.bounds[batch]))
        block[own] = recording.read(batch, tap).reshape(-1, block.shape[1])
    return block


def on_threads(steps: Sequence[Callable[[], Result]], *, workers: int) -> list[Result]:
    """Run independent steps as one Dask graph, begun in their order; return their results."""
    do = delayed(_do, pure=False)
    # Dask begins tasks that are alike by their names.
    tasks = [do(step, dask_key_name=f"step-{i:08d}") for i, step in enumerate(steps)]
    done: tuple[Result, ...] = compute(  # type: ignore[no-untyped-call]
        *tasks, scheduler="threads", num_workers=workers
    )
    return list(done)


def _do(step: Callable[[], Result]) -> Result:
    return step()
