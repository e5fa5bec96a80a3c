"""Disk and memory that a study needs, known from its plans before anything is recorded."""

import math
from collections.abc import Sequence

import humanize
import psutil

from seelike.analysis.cores import cores
from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.exact import exact
from seelike.analysis.similarity.exact.image_blocks import layout
from seelike.analysis.similarity.exact.shuffles import Shuffles
from seelike.analysis.similarity.measures import ExactMeasure, measure
from seelike.analysis.similarity.nearest.sketches import DEFAULT_PROJECTION, Projection
from seelike.storage.arrays import batched, recordings, signatures, sketches
from seelike.storage.errors import StorageError
from seelike.storage.store import Store
from seelike.tasks.planning.plans import MEASURE, ModelPlan, sketch_identity
from seelike.tasks.planning.settings import Statistics

# Per pair of taps and batch: cosines, weights and their product, in float32 and float64.
BYTES_PER_PAIR = 24


def check_memory(
    plans: Sequence[ModelPlan], *, names: Sequence[str], statistics: Statistics
) -> None:
    """Refuse measures of all pairs at once that do not fit into memory.

    Args:
        plans: The models.
        names: The measures.
        statistics: Permutations, and the memory of exact measures.

    Raises:
        AnalysisError: With the memory needed, the memory there is, and the remedy.
    """
    _check_pairs(plans)
    features = [math.prod(tap.shape) for plan in plans for tap in plan.taps]
    for name in names:
        chosen = measure(name)
        if isinstance(chosen, ExactMeasure):
            exact.plan(
                layout(plans[0].bounds, features, workers=cores()),
                kernel=chosen.kernel,
                width=chosen.width,
                memory=statistics.memory,
                shuffles=Shuffles(statistics.shuffles(chosen), 0),
            )


def _check_pairs(plans: Sequence[ModelPlan]) -> None:
    taps, batches = sum(len(plan.taps) for plan in plans), len(plans[0].bounds)
    needed = BYTES_PER_PAIR * batches * taps**2
    free = psutil.virtual_memory().available
    if needed > free:
        raise AnalysisError(
            f"all pairs of {taps} layers in {batches} batches at once take {format_bytes(needed)} "
            f"of memory, {format_bytes(free)} are free; compare them in blocks with `seelike map`, "
            "or take fewer models, layers or batches"
        )


# For metadata, the file system, and the comparison itself.
MARGIN_BYTES = 64 * 2**20


def bytes_left(
    plan: ModelPlan, *, store: Store, keep: str, projection: Projection = DEFAULT_PROJECTION
) -> int:
    """Estimate the bytes that recording a model, and its signatures or sketches, still write.

    Args:
        plan: The model.
        store: The store; what it has is not written again.
        keep: ``activations``, ``signatures`` or ``sketches``.
        projection: The projection of sketches.
    """
    if keep == "sketches":
        return _sketch_bytes_left(plan, store=store, projection=projection)
    share = max(
        _share_missing(store, signatures.KIND, plan.signatures(name)) for name in plan.measures
    )
    recorded = 0.0
    if keep == "activations" and activations_needed(plan, store=store):
        recorded = _share_missing(store, recordings.KIND, plan.recording)
    return int(plan.activation_bytes * recorded + plan.signature_bytes * share)


def _sketch_bytes_left(plan: ModelPlan, *, store: Store, projection: Projection) -> int:
    """Bytes of the batches' parts that are missing, and of the sketches themselves."""
    name = sketches.name(sketch_identity(plan.signature_identity(MEASURE), projection))
    if store.holds(sketches.KIND, name):
        kept = sketches.open_sketches(store, name)
        parts = 0 if kept.complete else len(kept.missing()) + 1
    else:
        parts = len(plan.bounds) + 1
    return 4 * len(plan.taps) * projection.dimension * parts


def activations_needed(plan: ModelPlan, *, store: Store) -> bool:
    """Return whether the recording of a model has to be complete: it was begun, or will be read.

    Activations that were removed are not recorded again while the signatures of all measures are
    in the store.
    """
    begun = store.holds(recordings.KIND, plan.recording)
    return (
        begun
        or plan.reads_activations
        or any(
            _share_missing(store, signatures.KIND, plan.signatures(name)) for name in plan.measures
        )
    )


def _share_missing(store: Store, kind: str, name: str) -> float:
    """The share of batches that a recording or signatures still lack; 1 where there are none."""
    if not store.holds(kind, name):
        return 1.0
    kept = batched.opened(store, kind, name).ledger
    return len(kept.missing()) / kept.batches


def check_space(
    plans: Sequence[ModelPlan],
    *,
    store: Store,
    keep: str,
    projection: Projection = DEFAULT_PROJECTION,
) -> None:
    """Refuse plans that do not fit into the store: ``StorageError`` with both numbers."""
    free = store.free_bytes()
    if free is None:
        return
    needed = sum(bytes_left(plan, store=store, keep=keep, projection=projection) for plan in plans)
    if not fits(needed, free=free):
        raise StorageError(
            f"the plan needs {format_bytes(needed + MARGIN_BYTES)} in {store.url}, "
            f"{format_bytes(free)} are free; set keep: signatures, fewer images or layers, "
            "or another store"
        )


def fits(needed: int, *, free: int) -> bool:
    """Return whether ``needed`` bytes, with a margin, fit into ``free`` bytes."""
    return not needed or needed + MARGIN_BYTES <= free


def format_bytes(size: int) -> str:
    """Write a number of bytes with a decimal unit, such as ``1.5 MB``."""
    return humanize.naturalsize(size, format="%.1f")
