"""Cross-seed ceilings: CKA of corresponding layers of networks that differ in their seed alone.

A similarity between two architectures says little by itself. The ceiling is the most that there
is to reach: what training from another seed keeps of a layer's representation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.cka import (
    DegenerateTaps,
    cka_from_hsic,
    clip_rounding,
    clipped_interval,
)
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.intervals.cka_intervals import batch_groups
from seelike.analysis.similarity.intervals.groups import Groups
from seelike.analysis.similarity.intervals.jackknife import half_width, standard_error

Indices = npt.NDArray[np.intp]
# Similarities that differ by no more are tied: their float32 products leave as much to rounding.
TIE = 1e-6


@dataclass(frozen=True)
class Estimates:
    """Numbers with their 95 % intervals; None for the bounds where batches give no interval."""

    value: Array
    low: Array | None = None
    high: Array | None = None


@dataclass(frozen=True)
class Ceiling:
    """CKA of the corresponding layers ``taps`` of two models of one architecture, (taps,)."""

    first: str
    second: str
    taps: tuple[str, ...]
    cka: Estimates


def matched_share(across: npt.ArrayLike) -> float:
    """Compute the share of layers whose best match in another seed is the corresponding layer.

    The sanity check of Kornblith et al. (2019), section 6.1, averaged over both directions. A
    layer with several best matches counts if the corresponding one is among them.

    Args:
        across: Similarities of the layers of two networks of one architecture, both in the same
            order, (T, T).

    Returns:
        The share, 0 to 1.

    Raises:
        AnalysisError: The matrix is not square.
    """
    matrix = np.asarray(across, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise AnalysisError(f"similarities {matrix.shape}, expected (T, T) of corresponding layers")
    own = np.diag(matrix)
    both = [own >= matrix.max(axis=axis) - TIE for axis in (1, 0)]
    return float(np.mean([matched.mean() for matched in both]))


@dataclass(frozen=True)
class Seeds:
    """A comparison in which models are seeds of one architecture.

    Attributes:
        parts: What each batch adds to CKA, (batches, T, T).
        model: The model of each layer, (T,).
        tap: The name of each layer, (T,).
        architectures: Groups of models that differ in nothing but the seed.
        images: Images per batch, (batches,); the same for all where left out.

    Raises:
        AnalysisError: Shapes differ, or models of one group have different layers.
    """

    parts: Array
    model: Sequence[str]
    tap: Sequence[str]
    architectures: Sequence[Sequence[str]]
    images: npt.ArrayLike | None = None

    def __post_init__(self) -> None:
        taps = len(self.model)
        if self.parts.shape[1:] != (taps, taps) or len(self.tap) != taps:
            raise AnalysisError(
                f"parts {self.parts.shape} of {taps} models' taps and {len(self.tap)} names, "
                "expected (batches, T, T), T and T"
            )
        for group in self.architectures:
            for first, second in combinations(group, 2):
                if self._names(first) != self._names(second):
                    odd = sorted(set(self._names(first)) ^ set(self._names(second)))
                    raise AnalysisError(
                        f"{first} and {second} are not seeds of one architecture: only one of them "
                        f"has {', '.join(odd) or 'its taps in that order'}"
                    )

    def ceilings(self) -> list[Ceiling]:
        """Compute CKA of the corresponding layers of every two seeds, with intervals in [-1, 1]."""
        return [
            Ceiling(
                first,
                second,
                self._names(first),
                self._summary(self._cells(self._taps(first), self._taps(second))),
            )
            for group in self.architectures
            for first, second in combinations(group, 2)
        ]

    def matched_share(self, first: str, second: str) -> float:
        """``matched_share`` of two seeds of one architecture: a count, which has no interval."""
        if self._group(first) != self._group(second):
            raise AnalysisError(f"{first} and {second} are not seeds of one architecture")
        taps = len(self._taps(first))
        both = np.concatenate([self._taps(first), self._taps(second)])
        cka = cka_from_hsic(self.parts[:, both[:, None], both])
        return matched_share(cka[:taps, taps:])

    def _cells(self, rows: Indices, columns: Indices) -> Array:
        """CKA of taps ``rows`` (k,) with ``columns``, then without each batch: (1 + batches, k)."""
        weights, scale = self._weighted
        return np.asarray(
            weights @ self.parts[:, rows, columns] / (scale[:, rows] * scale[:, columns])
        )

    @cached_property
    def _weighted(self) -> tuple[Array, Array]:
        """Weights (1 + batches, batches), the first all one, and the taps' lengths under them.

        The first alone where there is nothing to leave out.
        """
        weights = np.ones((1, len(self.parts)))
        if self._groups is not None:
            weights = np.concatenate([weights, 1 - np.eye(len(self.parts))])
        own = weights @ np.diagonal(self.parts, axis1=1, axis2=2)
        if (own[0] <= 0).any():
            raise DegenerateTaps(np.flatnonzero(own[0] <= 0).tolist())
        return weights, np.sqrt(own)

    @cached_property
    def _groups(self) -> Groups | None:
        own = np.diagonal(self.parts, axis1=1, axis2=2)
        if (own.sum(axis=0) - own <= 0).any():
            return None  # Without its one batch a tap does not vary.
        return batch_groups(len(self.parts), self.images)

    def _summary(self, numbers: Array) -> Estimates:
        """The first of ``numbers`` (1 + batches, ...), its interval from the others."""
        value = clip_rounding(numbers[0])
        if self._groups is None:
            return Estimates(value)
        reach = half_width(*standard_error(numbers[1:], self._groups))
        return Estimates(value, *clipped_interval(value, reach))

    def _group(self, model: str) -> Sequence[str]:
        for group in self.architectures:
            if model in group and len(group) > 1:
                return group
        raise AnalysisError(
            f"{model} has no second seed among {list(map(list, self.architectures))}: a ceiling "
            "needs two"
        )

    def _taps(self, model: str) -> Indices:
        return np.flatnonzero(np.asarray(self.model) == model)

    def _names(self, model: str) -> tuple[str, ...]:
        return tuple(self.tap[i] for i in self._taps(model))
