"""Minibatch CKA by number of images and batch size, against exact CKA, from recordings."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from dask.delayed import delayed
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import batch_cosines, cka_from_hsic
from seelike.storage.arrays import xarray_datasets
from seelike.storage.arrays.recordings import Recording, open_recording
from seelike.storage.images import ImageSet
from seelike.storage.store import open_store
from seelike.tasks.comparison.compare import measure_name
from seelike.tasks.comparison.signature_products import shares
from seelike.tasks.comparison.taps import varying_taps
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.settings import Statistics
from seelike.tasks.recording.activation_errors import image_named, in_batch
from seelike.tasks.recording.signatures import signatures_of
from seelike.tasks.runtime.retries import RETRIES
from seelike.tasks.runtime.threads import compute_on_threads
from seelike.tasks.step_results import SignaturesResult

# Images per batch, as far as there are as many images.
BATCHES = (16, 32, 64, 128, 256, 512, 1024)
REFERENCE = "cka_exact"


@task(task_run_name="sweep", cache_policy=NO_CACHE, **RETRIES)
def sweep(
    results: Sequence[SignaturesResult],
    images: ImageSet,
    *,
    store: str,
    statistics: Statistics,
) -> str:
    """Compute how far minibatch CKA is from exact CKA, unless the store has it.

    Reads the recordings once per batch size, and the measure ``cka_exact`` of the same models from
    the store. Memory: for each core the signatures of as many images as the larger of the two
    batches.

    Args:
        results: Signatures of the models, in the study's order.
        images: Their image set, for errors.
        store: The store's URL.
        statistics: As of the measures.

    Returns:
        The digest of the result in the store: ``error_mean`` and ``error_max`` (images,
        batch_size) over all distinct pairs of taps, NaN where there are fewer images than one
        batch.

    Raises:
        AnalysisError: For a tap that is constant over the first batches.
    """
    opened = open_store(store)
    plans = [one.plan for one in results]
    exact = measure_name(plans, REFERENCE, statistics=statistics)
    result = xarray_datasets.name(
        {"sweep": BATCHES, "reference": exact}, kind=xarray_datasets.MEASURES
    )
    if xarray_datasets.exists(opened, result, kind=xarray_datasets.MEASURES):
        return result
    reference = xarray_datasets.read(opened, exact, kind=xarray_datasets.MEASURES)["value"].values
    present = varying_taps(opened, plans, skip=statistics.skip_degenerate)
    kept = [open_recording(opened, plan.recording) for plan in plans]
    count = plans[0].images
    sizes = [size for size in BATCHES if size <= count]
    used = [n for n in (2**k for k in range(5, 40)) if n < count] + [count]
    mean = np.full((len(used), len(sizes)), np.nan)
    largest = mean.copy()
    distinct = np.triu_indices(len(present), k=1)
    for column, size in enumerate(sizes):
        with image_named(images):
            parts = list(_parts(plans, kept, size=size, present=present))
        for row, n in enumerate(used):
            if n >= size:
                value = cka_from_hsic(_weighted(parts[: n // size]))
                errors = np.abs(value - reference)[distinct]
                mean[row, column], largest[row, column] = errors.mean(), errors.max()
    dims = ("images", "batch_size")
    dataset = xr.Dataset(
        {"error_mean": (dims, mean), "error_max": (dims, largest)},
        {"images": used, "batch_size": sizes},
        attrs={"measure": "sweep", "reference": REFERENCE, "pairs": len(distinct[0])},
    )
    xarray_datasets.write(opened, result, dataset, kind=xarray_datasets.MEASURES)
    return result


def _weighted(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    cosines, norms = (np.stack(side) for side in zip(*parts, strict=True))
    if not norms.any(axis=0).all():
        raise AnalysisError(
            f"over the first {len(parts)} batches a tap is constant, so the sweep has no value "
            "there; leave the tap out, or the sweep"
        )
    return shares(cosines, norms)


def _parts(
    plans: Sequence[ModelPlan],
    kept: Sequence[Recording],
    *,
    size: int,
    present: np.ndarray,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cosines (T, T) and norms (T,) of every whole batch of ``size`` images, in order."""
    span = max(size, plans[0].batch // size * size)
    count = plans[0].images // size * size
    step = delayed(_span, pure=False)
    spans = (range(start, min(start + span, count), size) for start in range(0, count, span))
    done = compute_on_threads(step(plans, kept, starts, present) for starts in spans)
    for batches in done:
        yield from batches


def _span(
    plans: Sequence[ModelPlan],
    kept: Sequence[Recording],
    starts: range,
    present: np.ndarray,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The batches that begin at ``starts``: every tap is read once, and cut."""
    size, stop = starts.step, starts[-1] + starts.step
    places = [(plan, one, tap) for plan, one in zip(plans, kept, strict=True) for tap in one.taps]
    rows: list[list[tuple[np.ndarray, float]]] = [[] for _ in starts]
    for plan, one, tap in (places[int(i)] for i in present):
        values = one.read_images(starts[0], stop, tap)
        for row, start in zip(rows, starts, strict=True):
            with in_batch(plan.name, start):
                batch = values[start - starts[0] :][:size]
                row.append(signatures_of(tap, batch, ("cka",))["cka"])
    return [
        (batch_cosines(np.stack([d for d, _ in row])), np.array([n for _, n in row]))
        for row in rows
    ]
