"""CKA over all images at once, from recordings: a plan that fits, then Dask graphs of its steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from dask.base import compute
from dask.delayed import delayed

from seelike.analysis.cores import cores
from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.cka import RBF_WIDTH
from seelike.analysis.similarity.exact import exact
from seelike.analysis.similarity.exact.image_blocks import Layout, layout
from seelike.analysis.similarity.exact.shuffles import Shuffles
from seelike.storage.arrays.recordings import Recording
from seelike.tasks.runtime.threads import one_blas_thread

MEMORY = 4_000_000_000
Result = TypeVar("Result")


@dataclass(frozen=True)
class Exact:
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
) -> Exact:
    """CKA (T, T) of all taps of all of ``kept`` over all images, its interval, and under shuffles.

    Of the taps ``present`` alone, indices into all of them, where they are given.

    ``estimator``, ``kernel`` and ``width`` are as in ``analysis.similarity.cka``, except that the
    median distance is that of the first 2048 images. Interval as in ``exact.estimate``. Images are
    shuffled within blocks of whole batches.
    ``memory`` bounds the bytes of the process. Raises ``AnalysisError`` where recordings are of
    other images, or the memory is too little, both before anything is read; ``StorageError``
    for a recording that is incomplete or damaged; ``DegenerateTaps`` with indices into T.
    """
    exact.check_choice(estimator, kernel)
    check_same_images(kept)
    for one in kept:
        for batch in one.ledger.missing():
            one.ledger.checksums(batch)  # Says that the batch was never completed.
    every = [(one, tap) for one in kept for tap in one.taps]
    places = every if present is None else [every[int(i)] for i in present]
    of = layout_of(places)
    shuffles = Shuffles(permutations, seed)
    plan = exact.plan(of, kernel=kernel, width=width, memory=memory, shuffles=shuffles)

    def read(tap: int, block: int) -> np.ndarray:
        return read_block(*places[tap], of.batches[block])

    def run(steps: Sequence[Callable[[], Result]]) -> list[Result]:
        return on_threads(steps, workers=plan.workers)

    # The threads scheduler does not know of BLAS's own threads.
    with one_blas_thread():
        sums = plan.sums(read, run)
        value, low, high = exact.estimate(sums, estimator=estimator)
        drawn = exact.shuffled(sums, shuffles, estimator=estimator)
    return Exact(value, None if low is None or high is None else (low, high), drawn)


def layout_of(places: Sequence[tuple[Recording, str]]) -> Layout:
    """The taps in order, and their images in blocks of whole batches."""
    shapes = [one.array(tap).shape[1:] for one, tap in places]
    features = [int(np.prod(shape)) for shape in shapes]
    return layout(places[0][0].bounds, features, workers=cores())


def check_same_images(kept: Sequence[Recording]) -> None:
    """``AnalysisError`` naming both models for recordings of other images or other batches."""
    first = kept[0]
    for one in kept[1:]:
        for what, own, others in (
            ("image set", _images(one), _images(first)),
            ("batches", _cut(one), _cut(first)),
        ):
            if own != others:
                raise AnalysisError(
                    f"{_model(one)} was recorded with {what} {own}, {_model(first)} with {others}: "
                    "exact CKA needs the same images in the same batches; record them in one study"
                )


def _images(recording: Recording) -> str:
    identity: Any = recording.group.attrs["identity"]
    return str(identity.get("images", ""))[:12]


def _cut(recording: Recording) -> str:
    sizes = dict.fromkeys(stop - start for start, stop in recording.bounds)
    return f"of {' and '.join(map(str, sizes))} images, {recording.bounds[-1][1]} in all"


def _model(recording: Recording) -> str:
    return str(recording.group.attrs.get("model", recording.name[:12]))


def read_block(recording: Recording, tap: str, batches: range) -> np.ndarray:
    """Activations (images, features) of consecutive batches of one tap, checked."""
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
    """The results of independent steps, as one Dask graph, begun in their order."""
    do = delayed(_do, pure=False)
    # Dask begins tasks that are alike by their names.
    tasks = [do(step, dask_key_name=f"step-{i:08d}") for i, step in enumerate(steps)]
    done: tuple[Result, ...] = compute(  # type: ignore[no-untyped-call]
        *tasks, scheduler="threads", num_workers=workers
    )
    return list(done)


def _do(step: Callable[[], Result]) -> Result:
    return step()
