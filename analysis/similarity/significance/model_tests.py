"""Permutation tests of the similarity of whole models."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.models.aggregates import AGGREGATES, ModelPair, by_shape
from seelike.analysis.similarity.models.layers import Layers
from seelike.analysis.similarity.significance.permutation_tests import ShuffleTest
from seelike.analysis.similarity.significance.tails import Tail


@dataclass(frozen=True)
class ModelNull:
    """Significance of every two models' aggregates, (``AGGREGATES``, M, M), 1 on diagonals.

    Attributes:
        p: p value of each pair alone.
        corrected: p value corrected for all pairs, from the largest aggregate of any two models
            under the same shuffles (single-step maximum, Westfall & Young 1993).
        critical: Value that a pair alone reaches in 5 % of the draws.
    """

    draws: int
    p: Array
    corrected: Array
    critical: Array


@dataclass(frozen=True)
class ModelTest(ShuffleTest):
    """Permutation test of every aggregate of every two models, whose layers have ``depth`` (T,).

    Partners are chosen again under every shuffle, so that the null includes the gain of a maximum
    over many layers by chance.
    """

    depth: Sequence[float] = ()
    window: float = 1.0

    def result(self, tail: Tail) -> ModelNull:
        """Compute the null from the ``tail`` of all permutations."""
        count = len(self._layers.models)
        first, second = np.array(self._pairs).reshape(-1, 2).T
        found = np.ones((2, 2, len(AGGREGATES), count, count))
        for one, values in zip(found, tail.significance, strict=True):
            one[:, :, first, second] = values.reshape(2, len(AGGREGATES), -1)
            one[:, :, second, first] = one[:, :, first, second]
        return ModelNull(tail.draws, p=found[0, 0], corrected=found[0, 1], critical=found[1, 0])

    @cached_property
    def _layers(self) -> Layers:
        return Layers(self.model, self.depth)

    @cached_property
    def _pairs(self) -> list[ModelPair]:
        return list(combinations(range(len(self._layers.models)), 2))

    def _statistics(self, similarity: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Aggregates of all pairs, and beside each the largest of its kind: (draws, S)."""
        own = self._aggregates(similarity)
        largest = np.broadcast_to(own.max(axis=0), own.shape)
        return self._packed(own, largest)

    def _to_be_reached(self) -> npt.NDArray[Any]:
        own = self._aggregates(self.observed[None])
        return self._packed(own, own)

    def _aggregates(self, similarity: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(pairs, ``AGGREGATES``, draws)."""
        places = {pair: place for place, pair in enumerate(self._pairs)}
        result = np.empty((len(places), len(AGGREGATES), len(similarity)))
        for pairs, values in by_shape(similarity, self._layers, self._pairs, window=self.window):
            result[[places[pair] for pair in pairs]] = np.moveaxis(values, -1, 0)
        return result

    @staticmethod
    def _packed(own: npt.NDArray[Any], largest: npt.NDArray[Any]) -> npt.NDArray[Any]:
        both = np.stack([own, largest]).transpose(3, 0, 2, 1)
        return both.reshape(len(both), -1)
