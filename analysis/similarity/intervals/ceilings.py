"""Ceilings: how alike networks of one architecture are that differ in nothing but their seed.

A similarity between two architectures says little by itself. The cross-seed ceiling says how
much there is to reach: what training from another seed leaves of a layer's representation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.cka import DegenerateTaps, cka_from_hsic
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.intervals.cka_intervals import batch_groups
from seelike.analysis.similarity.intervals.jackknife import Groups, half_width, standard_error

Indices = npt.NDArray[np.intp]
# Similarities that differ by no more are tied: their float32 products leave as much to rounding.
TIE = 1e-6


@dataclass(frozen=True)
class Estimates:
    """Numbers with their intervals, which are None where one batch leaves nothing to leave out."""

    value: Array
    low: Array | None = None
    high: Array | None = None


@dataclass(frozen=True)
class Ceiling:
    """CKA (taps,) of the corresponding ``taps`` of two models of one architecture."""

    first: str
    second: str
    taps: tuple[str, ...]
    cka: Estimates


def matched_share(across: npt.ArrayLike) -> float:
    """Share of layers whose best match in the twin is the corresponding one; both ways averaged.

    The sanity check of Kornblith et al. (2019), section 6.1: ``across`` (T, T) holds the
    similarities of the layers of two networks of one architecture, both in the same order. Of
    several best matches any may be the corresponding one. Raises ``AnalysisError`` for a matrix
    that is not square.
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

    ``parts`` (batches, T, T) sum to CKA; ``model`` (T,) and ``tap`` (T,) name each tap.
    ``architectures`` are groups of models that differ in nothing but the seed; ``images``
    (batches,) counts those of each batch, alike where left out. Raises
    ``AnalysisError`` for shapes that differ, and for models of one group whose taps differ.
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
        """CKA of the corresponding taps of every two seeds of an architecture, with intervals."""
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

    def share_of_ceiling(self, first: str, second: str) -> Estimates:
        """CKA of the taps of two models of different architectures over its ceiling (T_a, T_b).

        CKA(a, b) / sqrt(c_a c_b), c the mean CKA of the tap with the same tap of the other seeds:
        Spearman's (1904) correction for attenuation, as CKA is a cosine. One where two
        architectures are as alike as two seeds are; not clamped, so noise may lift it above.
        Raises ``AnalysisError`` for models without a second seed, or of one architecture, and
        for a ceiling that is not above zero without any one batch.
        """
        if self._group(first) == self._group(second):
            raise AnalysisError(
                f"{first} and {second} are seeds of one architecture: their CKA is the ceiling"
            )
        over_a, over_b = self._ceiling(first), self._ceiling(second)
        columns = self._taps(second)
        rows = [
            self._cells(np.full(len(columns), tap), columns) / np.sqrt(over[:, None] * over_b)
            for tap, over in zip(self._taps(first), over_a.T, strict=True)
        ]
        return self._summary(np.stack(rows, axis=1))

    def matched_share(self, first: str, second: str) -> float:
        """``matched_share`` of two seeds of one architecture: a count, which has no interval."""
        if self._group(first) != self._group(second):
            raise AnalysisError(f"{first} and {second} are not seeds of one architecture")
        taps = len(self._taps(first))
        both = np.concatenate([self._taps(first), self._taps(second)])
        cka = cka_from_hsic(self.parts[:, both[:, None], both])
        return matched_share(cka[:taps, taps:])

    def _ceiling(self, model: str) -> Array:
        """Mean CKA of the taps of the seeds of ``model``'s architecture: (1 + batches, taps)."""
        pairs = list(combinations(self._group(model), 2))
        mean = np.mean([self._cells(self._taps(a), self._taps(b)) for a, b in pairs], axis=0)
        if (mean <= 0).any():
            tap = self._names(model)[int(np.argwhere(mean <= 0)[0, 1])]
            raise AnalysisError(
                f"seeds of {model} are not alike at {tap}, CKA {mean.min():.3g}: no ceiling to "
                "divide by; leave the tap out"
            )
        return np.asarray(mean)

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
        """The first of ``numbers`` (1 + batches, ...), its interval by the others."""
        if self._groups is None:
            return Estimates(numbers[0])
        reach = half_width(*standard_error(numbers[1:], self._groups))
        return Estimates(numbers[0], numbers[0] - reach, numbers[0] + reach)

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
