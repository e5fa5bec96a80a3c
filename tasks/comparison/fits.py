"""Measures that fit one tap to another: prepared once a tap, fitted once a pair, batch by batch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dask.delayed import delayed

from seelike.analysis.similarity.image_pairs import Order
from seelike.analysis.similarity.measures import FitMeasure, Undefined
from seelike.analysis.similarity.significance.permutations import order_of
from seelike.storage.arrays.recordings import Recording
from seelike.storage.images import ImageSet
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.recording.activation_errors import at, naming
from seelike.tasks.runtime.threads import computed

# Rows of taps that one step of the graph fits to all others.
ROWS = 8


# Pairs of places (row, column) that cannot be fitted, and why.
Clashes = dict[tuple[int, int], str]


@dataclass(frozen=True)
class Fitted:
    """Fits of every pair of taps, and the taps that have none.

    ``values`` (batches, T, T) float64; ``drawn`` (permutations, T, T) float32, the mean over the
    batches with the second tap's images shuffled within each. ``undefined``: the place of each
    tap on which the measure is not defined, and why; its rows and columns are NaN.
    """

    values: np.ndarray
    drawn: np.ndarray
    undefined: Mapping[int, str]


@dataclass(frozen=True)
class Fits:
    """Fits by one measure of every tap of all models to every other."""

    measure: FitMeasure
    plans: Sequence[ModelPlan]
    kept: Sequence[Recording]
    images: ImageSet

    def fitted(self, *, present: np.ndarray, permutations: int = 0, seed: int = 0) -> Fitted:
        """Fits of every pair of the ``present`` taps in every batch, and under permutations.

        Each permutation is as costly as the measure itself, twice that of a symmetric one.
        Memory: what the measure prepares of all taps for one batch, at most a few n² numbers a
        tap, and one tap's activations a thread. Raises ``AnalysisError`` naming model, tap and
        image for activations that are not finite.
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
        undefined: dict[int, str] = {}
        clashes: Clashes = {}
        for batch, (start, stop) in enumerate(bounds):
            prepared = computed([prepare(*place, batch) for place in places])
            for place, one in enumerate(prepared):
                if isinstance(one, Undefined):
                    undefined.setdefault(place, f"batch {batch}: {one}")
            values[batch] = self._observed(prepared, clashes)
            for number in range(permutations):
                order = order_of(stop - start, seed=seed, permutation=number, batch=batch)
                drawn[number] += self._fitted(prepared, clashes, order) / len(bounds)
        undefined |= left_out(clashes, without=set(undefined))
        gone = sorted(undefined)
        for axis in (1, 2):
            for array in (values, drawn):
                np.moveaxis(array, axis, 0)[gone] = np.nan
        return Fitted(values, drawn, undefined)

    def _prepared(self, plan: ModelPlan, kept: Recording, tap: str, batch: int) -> Any:
        """What the measure needs of the tap, or the reason that it is not defined there."""
        with naming(plan.name, self.images, plan.bounds[batch][0]), at(tap):
            try:
                return self.measure.prepare(kept.read(batch, tap))
            except Undefined as error:
                return error

    def _observed(self, prepared: Sequence[Any], clashes: Clashes) -> np.ndarray:
        values = self._fitted(prepared, clashes)
        if self.measure.symmetric:
            values = np.triu(values) + np.triu(values, 1).T
        return values

    def _fitted(
        self, prepared: Sequence[Any], clashes: Clashes, order: Order | None = None
    ) -> np.ndarray:
        """The fits of all taps to all, whose images are in another ``order`` if one is given."""
        step = delayed(self._rows, pure=False)
        blocks = [range(i, min(i + ROWS, len(prepared))) for i in range(0, len(prepared), ROWS)]
        # Passed as a whole: Dask would look for graphs in every list.
        found = computed([step(_Held(prepared), rows, order) for rows in blocks])
        for _, unfit in found:
            clashes |= unfit
        return np.concatenate([block for block, _ in found])

    def _rows(self, held: "_Held", rows: range, order: Order | None) -> tuple[np.ndarray, Clashes]:
        """The rows' fits to all taps; of a symmetric measure to those from the diagonal on."""
        compare, second = self.measure.compare, held.prepared
        if order is not None:
            compare = self.measure.quick or compare
            second = [
                one if isinstance(one, Undefined) else self.measure.permute(one, order)
                for one in second
            ]
        block = np.zeros((len(rows), len(second)))
        clashes: Clashes = {}
        for i, row in enumerate(rows):
            first = row if self.measure.symmetric and order is None else 0
            for column in range(first, len(second)):
                one, other = held.prepared[row], second[column]
                if isinstance(one, Undefined) or isinstance(other, Undefined):
                    continue
                try:
                    block[i, column] = compare(one, other)
                except Undefined as error:
                    clashes[row, column] = str(error)
        return block, clashes


def left_out(clashes: Clashes, *, without: set[int]) -> dict[int, str]:
    """The taps to leave out, ``without`` those left out anyway, so that no clash is left: why.

    The tap with most clashes goes first, the first of two with as many.
    """
    found: dict[int, str] = {}
    while True:
        gone = without | set(found)
        left = {pair: why for pair, why in clashes.items() if not gone & set(pair)}
        if not left:
            return found
        counts = Counter(place for pair in left for place in set(pair))
        worst = min(counts, key=lambda place: (-counts[place], place))
        found[worst] = next(why for pair, why in left.items() if worst in pair)


@dataclass(frozen=True)
class _Held:
    prepared: Sequence[Any]
