"""Probes of several features of one layer: learnt from blocks of images, then tested."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from seelike.analysis.probing.design import Indices, Split
from seelike.analysis.probing.moments import Moments
from seelike.analysis.probing.ridge import GRID, Path, from_moments, from_rows
from seelike.analysis.similarity.gram import Array

# The number of shots of a probe on all training images.
FULL = 0
# Scores that differ by no more are tied. They predict targets of ±1, so that this is far below
# differences between images. Rounding leaves less: float64's, times up to 10^4 at the least
# penalty of ``GRID``, times the number of examples (1e-10 for 33 of them, half of them copies).
TIE = 1e-7


@dataclass(frozen=True)
class Probe:
    """Linear classifiers of one feature.

    Attributes:
        shots: Training images per class, or ``FULL`` for all training images.
        weights: (draws, p, c), float64.
        intercept: (draws, c), float64.
        penalty: The penalty of ``GRID`` that was best on the held-out images, over all draws.
    """

    shots: int
    weights: Array
    intercept: Array
    penalty: float

    def hits(self, x: npt.ArrayLike, target: Indices) -> Array:
        """Score features ``x`` (n, p) against classes ``target`` (n,): (draws, n), as ``hits``."""
        scores = self.weights.swapaxes(1, 2) @ np.asarray(x, np.float64).T
        return hits(scores + self.intercept[..., None], target)


def hits(scores: Array, target: Indices) -> Array:
    """Score answers: 1 where the target has the highest score, 0 elsewhere.

    Where k classes share the highest score each of them gets 1 / k, as if one were drawn: features
    without information are right as often as chance.

    Args:
        scores: One per class and image, (..., c, n).
        target: The class of every image, (n,).

    Returns:
        (..., n), float64.
    """
    shared = sharers(scores, target)
    return np.where(shared > 0, 1.0 / np.maximum(shared, 1), 0.0)


def sharers(scores: Array, target: Indices) -> Indices:
    """Count the classes that share the highest score, where the target is one of them.

    Args:
        scores: As for ``hits``.
        target: As for ``hits``.

    Returns:
        (..., n): 1 where the target alone is highest, k where k classes are, 0 where another
        class is higher.
    """
    highest = scores.max(axis=-2)
    # Not ``scores == highest``: constant features give all classes one number, but classes that
    # learn from the same features (duplicated images) differ in the order of a sum, which is the
    # library's, so that equality of floats would make such a tie depend on the machine.
    top = scores >= highest[..., None, :] - TIE
    own = np.take_along_axis(top, np.broadcast_to(target, highest.shape)[..., None, :], -2)
    return np.where(own[..., 0, :], top.sum(axis=-2), 0)


def total(shared: Iterable[int]) -> Fraction:
    """Sum hits exactly from the ``sharers`` of each image: equal sums in any order."""
    each, counts = np.unique(np.fromiter(shared, np.intp), return_counts=True)
    terms = zip(each.tolist(), counts.tolist(), strict=True)
    return sum((Fraction(count, k) for k, count in terms if k), Fraction(0))


class Learner:
    """Probes of several features of one layer: ``learn`` blocks, ``fit``, then test.

    Few-shot probes keep their training images of all draws, and the held-out images; the full one
    sums up the features' scatter, or keeps the training images where they are fewer than channels.
    Test images are never kept. Features are standardised by all training images. Memory:
    ``held_bytes``.

    Args:
        features: Number of features.
        channels: Channels of each.
        split: The split of the images.
        shots: Training images per class of each few-shot probe.
        full: Whether there is a probe on all training images, too.
    """

    def __init__(
        self, features: int, channels: int, split: Split, *, shots: Sequence[int], full: bool
    ) -> None:
        self.split, self.shots = split, tuple(shots)
        self.sums_up = full and channels <= len(split.train)
        self.full = full
        self.moments = Moments(features, channels, len(split.classes), full=self.sums_up)
        self.kept = _kept(split, shots, keeps_all=full and not self.sums_up)
        self.rows = np.empty((features, len(self.kept), channels), np.float32)
        self._train = _mask(split.train, len(split.target))

    @staticmethod
    def held_bytes(channels: int, split: Split, *, shots: Sequence[int], full: bool) -> int:
        """Bytes per feature at most, those that fitting one takes included.

        4 r p for the r images that are kept, 8 p (p + c) for sums, 8 p c for each of the probes.
        """
        sums_up = full and channels <= len(split.train)
        rows = len(_kept(split, shots, keeps_all=full and not sums_up))
        classes, draws = len(split.classes), len(split.supports)
        sums = channels * (channels + classes) if sums_up else 2 * channels
        probes = (draws * len(shots) + full) * channels * classes
        return 4 * rows * channels + 8 * (sums + probes)

    def learn(self, start: int, x: npt.NDArray[np.float32]) -> None:
        """Learn from the block ``x`` (b, features, channels) of the images from ``start`` on."""
        images = np.arange(start, start + len(x))
        train = self._train[images]
        if train.any():
            self.moments.add(x[train], self.split.targets[images[train]])
        place = np.searchsorted(self.kept, images)
        here = (place < len(self.kept)) & (
            self.kept[np.minimum(place, len(self.kept) - 1)] == images
        )
        self.rows[:, place[here]] = x[here].swapaxes(0, 1)

    def fit(self) -> list[list[Probe]]:
        """Fit the probes of every feature: per feature by shots, the full one last."""
        return [self._fitted(feature) for feature in range(len(self.rows))]

    def _fitted(self, feature: int) -> list[Probe]:
        held = self._rows(feature, self.split.held_out)
        target = self.split.target[self.split.held_out]
        probes = []
        for shots in self.shots:
            supports = [self.split.support(draw, shots) for draw in range(len(self.split.supports))]
            paths = [self._from_rows(feature, support) for support in supports]
            probes.append(_chosen(shots, paths, held, target))
        if self.full:
            probes.append(_chosen(FULL, [self._full(feature)], held, target))
        return probes

    def _full(self, feature: int) -> Path:
        if not self.sums_up:
            return self._from_rows(feature, self.split.train)
        moments = self.moments
        inverse = 1.0 / moments.scale[feature]
        return from_moments(
            moments.scatter[feature] * inverse * inverse[:, None],
            moments.cross[feature] * inverse[:, None],
            centre=moments.mean[feature],
            level=moments.level,
            inverse=inverse,
            examples=moments.count,
        )

    def _from_rows(self, feature: int, images: Indices) -> Path:
        x, y = self._rows(feature, images), self.split.targets[images]
        return from_rows(x, y, scale=self.moments.scale[feature])

    def _rows(self, feature: int, images: Indices) -> npt.NDArray[np.float32]:
        return np.asarray(self.rows[feature, np.searchsorted(self.kept, images)])


def _chosen(
    shots: int, paths: Sequence[Path], held: npt.NDArray[np.float32], target: Indices
) -> Probe:
    """Choose the penalty that gets most of the held-out images right, over all draws.

    Ties go to the largest penalty. Sums are exact: with float means the choice among equal ones
    would depend on the order of draws and images.
    """
    shared = np.concatenate([sharers(path.scores(held), target) for path in paths], axis=1)
    right = [total(row) for row in shared]
    best = max(range(len(GRID)), key=lambda at: (right[at], at))
    weights, intercepts = zip(
        *(path.weights(path.unit * GRID[best]) for path in paths), strict=True
    )
    return Probe(shots, np.stack(weights), np.stack(intercepts), float(GRID[best]))


def _kept(split: Split, shots: Sequence[int], *, keeps_all: bool) -> Indices:
    """The images whose features stay in memory, ascending."""
    most = max(shots, default=0) * len(split.classes)
    learnt = split.train if keeps_all else split.supports[:, :most].reshape(-1)
    return np.union1d(learnt, split.held_out)


def _mask(images: Indices, count: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros(count, bool)
    mask[images] = True
    return mask
