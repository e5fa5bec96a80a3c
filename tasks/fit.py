"""Measures that fit one tap to another: prepared once a tap, fitted once a pair, batch by batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from dask.delayed import delayed

from analysis.similarity.measures import FitMeasure, measure
from storage.images import ImageSet
from storage.recordings import Recording
from tasks.references import ModelPlan
from tasks.signing import at, naming
from tasks.threads import computed

# Rows of taps that one step of the graph fits to all others.
ROWS = 8


def values_of(
    name: str,
    plans: Sequence[ModelPlan],
    kept: Sequence[Recording],
    images: ImageSet,
    *,
    present: np.ndarray,
) -> np.ndarray:
    """The measure of every pair of the ``present`` taps in every batch: (batches, T, T) float64.

    Memory: what the measure prepares of all taps for one batch, at most a few n² numbers a tap,
    and one tap's activations a thread.
    """
    places = [(plan, one, tap) for plan, one in zip(plans, kept, strict=True) for tap in one.taps]
    chosen = [places[i] for i in present]
    return np.stack([_batch(name, chosen, images, batch) for batch in range(len(plans[0].bounds))])


def _batch(
    name: str, places: Sequence[tuple[ModelPlan, Recording, str]], images: ImageSet, batch: int
) -> np.ndarray:
    prepare, fit = delayed(_prepared, pure=False), delayed(_fitted, pure=False)
    prepared = computed([prepare(name, *place, images, batch) for place in places])
    taps = len(places)
    blocks = [range(start, min(start + ROWS, taps)) for start in range(0, taps, ROWS)]
    values = np.concatenate(computed([fit(name, prepared, rows) for rows in blocks]))
    if _fit_measure(name).symmetric:
        values = np.triu(values) + np.triu(values, 1).T
    return np.asarray(values)


def _prepared(
    name: str, plan: ModelPlan, kept: Recording, tap: str, images: ImageSet, batch: int
) -> Any:
    with naming(plan.name, images, plan.bounds[batch][0]), at(tap):
        return _fit_measure(name).prepare(kept.read(batch, tap))


def _fitted(name: str, prepared: Sequence[Any], rows: range) -> np.ndarray:
    """The rows' fits to all taps; to those above the diagonal alone where that is enough."""
    fit = _fit_measure(name)
    block = np.zeros((len(rows), len(prepared)))
    for i, row in enumerate(rows):
        for column in range(row if fit.symmetric else 0, len(prepared)):
            block[i, column] = fit.compare(prepared[row], prepared[column])
    return block


def _fit_measure(name: str) -> FitMeasure:
    found = measure(name)
    assert isinstance(found, FitMeasure), name
    return found
