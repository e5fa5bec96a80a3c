"""Measures that fit one tap to another: prepared per tap, fitted per pair, batch by batch."""

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
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.recording.activation_errors import in_batch, in_layer
from seelike.tasks.runtime.threads import compute_on_threads

# Rows of taps that one step of the graph fits to all others.
ROWS = 8


# Pairs of places (row, column) that cannot be fitted, and why.
Clashes = dict[tuple[int, int], str]


@dataclass(frozen=True)
class FitResult:
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
    rows_per_step: int = ROWS

    def fit_all(self, *, present: np.ndarray, permutations: int = 0, seed: int = 0) -> FitResult:
        """Fit every pair of taps in every batch, also with the second's images shuffled.

        Each permutation is as costly as the measure itself, twice that of a symmetric one.
        Memory: what the measure prepares of all taps for one batch, at most a few n² numbers per
        tap, and one tap's activations per thread.

        Args:
            present: Indices of the taps, into all of them, (T,).
            permutations: How many times images are shuffled.
            seed: The shuffles' seed.

        Returns:
            The fits.

        Raises:
            NonFiniteImage: For activations that are not finite, with model, layer and image.
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
        prepare = delayed(self._prepare, pure=False)
        undefined: dict[int, str] = {}
        clashes: Clashes = {}
        for batch, (start, stop) in enumerate(bounds):
            prepared = compute_on_threads([prepare(*place, batch) for place in places])
            for place, one in enumerate(prepared):
                if isinstance(one, Undefined):
                    undefined.setdefault(place, f"batch {batch}: {one}")
            values[batch] = self._fit_unshuffled(prepared, clashes)
            for number in range(permutations):
                order = order_of(stop - start, seed=seed, permutation=number, batch=batch)
                drawn[number] += self._fit(prepared, clashes, order) / len(bounds)
        undefined |= taps_to_leave_out(clashes, without=set(undefined))
        gone = sorted(undefined)
        for axis in (1, 2):
            for array in (values, drawn):
                np.moveaxis(array, axis, 0)[gone] = np.nan
        return FitResult(values, drawn, undefined)

    def _prepare(self, plan: ModelPlan, kept: Recording, tap: str, batch: int) -> Any:
        """Prepare a tap for the measure; return the error where it is not defined there."""
        with in_batch(plan.name, plan.bounds[batch][0]), in_layer(tap):
            try:
                return self.measure.prepare(kept.read(batch, tap))
            except Undefined as error:
                return error

    def _fit_unshuffled(self, prepared: Sequence[Any], clashes: Clashes) -> np.ndarray:
        values = self._fit(prepared, clashes)
        if self.measure.symmetric:
            values = np.triu(values) + np.triu(values, 1).T
        return values

    def _fit(
        self, prepared: Sequence[Any], clashes: Clashes, order: Order | None = None
    ) -> np.ndarray:
        """The fits of all taps to all, whose images are in another ``order`` if one is given."""
        step = delayed(self._fit_rows, pure=False)
        edge = self.rows_per_step
        blocks = [range(i, min(i + edge, len(prepared))) for i in range(0, len(prepared), edge)]
        # Passed as a whole: Dask would look for graphs in every list.
        found = compute_on_threads([step(_Held(prepared), rows, order) for rows in blocks])
        for _, unfit in found:
            clashes |= unfit
        return np.concatenate([block for block, _ in found])

    def _fit_rows(
        self, held: "_Held", rows: range, order: Order | None
    ) -> tuple[np.ndarray, Clashes]:
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


def taps_to_leave_out(clashes: Clashes, *, without: set[int]) -> dict[int, str]:
    """Choose taps to leave out so that no clash is left, the one with most clashes first.

    Args:
        clashes: Pairs of places that cannot be fitted, and why.
        without: Places that are left out anyway.

    Returns:
        The reason by place.
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
