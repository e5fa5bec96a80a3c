"""Measures that fit one tap to another: prepared once a tap, fitted once a pair, batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dask.delayed import delayed

from analysis.similarity.measures import FitMeasure
from analysis.similarity.pairs import Order
from analysis.similarity.permutations import order_of
from storage.images import ImageSet
from storage.recordings import Recording
from tasks.plans import ModelPlan
from tasks.signing import at, naming
from tasks.threads import computed

# Rows of taps that one step of the graph fits to all others.
ROWS = 8


@dataclass(frozen=True)
class Fits:
    """Fits by one measure of every tap of all models to every other."""

    measure: FitMeasure
    plans: Sequence[ModelPlan]
    kept: Sequence[Recording]
    images: ImageSet

    def values(
        self, *, present: np.ndarray, permutations: int = 0, seed: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Every pair of the ``present`` taps in every batch, and under permutations.

        (batches, T, T) float64, and the mean over the batches with the second tap's images
        shuffled within each: (permutations, T, T) float32, each as costly as the measure itself,
        twice that of a symmetric one. Memory: what the measure prepares of all taps for one
        batch, at most a few n² numbers a tap, and one tap's activations a thread.
        """
        every = [
            (plan, one, tap)
            for plan, one in zip(self.plans, self.kept, strict=True)
            for tap in one.taps
        ]
        places = [every[int(i)] for i in present]
        bounds = self.plans[0].bounds
        values = np.empty((len(bounds), len(places), len(places)))
        drawn = np.zeros((permutations, *values.shape[1:]), np.float32)
        prepare = delayed(self._prepared, pure=False)
        for batch, (start, stop) in enumerate(bounds):
            prepared = computed([prepare(*place, batch) for place in places])
            values[batch] = self._observed(prepared)
            for number in range(permutations):
                order = order_of(stop - start, seed=seed, permutation=number, batch=batch)
                drawn[number] += self._fitted(prepared, order) / len(bounds)
        return values, drawn

    def _prepared(self, plan: ModelPlan, kept: Recording, tap: str, batch: int) -> Any:
        with naming(plan.name, self.images, plan.bounds[batch][0]), at(tap):
            return self.measure.prepare(kept.read(batch, tap))

    def _observed(self, prepared: Sequence[Any]) -> np.ndarray:
        values = self._fitted(prepared)
        if self.measure.symmetric:
            values = np.triu(values) + np.triu(values, 1).T
        return values

    def _fitted(self, prepared: Sequence[Any], order: Order | None = None) -> np.ndarray:
        """The fits of all taps to all, whose images are in another ``order`` if one is given."""
        step = delayed(self._rows, pure=False)
        blocks = [range(i, min(i + ROWS, len(prepared))) for i in range(0, len(prepared), ROWS)]
        # Passed as a whole: Dask would look for graphs in every list.
        return np.concatenate(computed([step(_Held(prepared), rows, order) for rows in blocks]))

    def _rows(self, held: "_Held", rows: range, order: Order | None) -> np.ndarray:
        """The rows' fits to all taps; of a symmetric measure to those from the diagonal on."""
        compare, second = self.measure.compare, held.prepared
        if order is not None:
            compare = self.measure.quick or compare
            second = [self.measure.permute(one, order) for one in second]
        block = np.zeros((len(rows), len(second)))
        for i, row in enumerate(rows):
            first = row if self.measure.symmetric and order is None else 0
            for column in range(first, len(second)):
                block[i, column] = compare(held.prepared[row], second[column])
        return block


@dataclass(frozen=True)
class _Held:
    prepared: Sequence[Any]
