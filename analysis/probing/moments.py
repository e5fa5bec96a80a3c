"""Means and scatter of features from blocks, each about its own mean."""

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import CONSTANT, Array


class Moments:
    """Means, squares and scatter of examples (n, f, p), about the means.

    Blocks are joined by Chan, Golub & LeVeque (1983) in float64, so that a large common part of the
    features costs no digits.

    Attributes:
        count: Number of examples.
        mean: (f, p).
        squares: Sums of squares about the mean, (f, p).
        level: Mean of the targets, (c,).
        scatter: (f, p, p), with ``full``.
        cross: Products with the targets, (f, p, c), with ``full``.
    """

    def __init__(self, features: int, channels: int, classes: int, *, full: bool) -> None:
        self.count = 0
        self.mean = np.zeros((features, channels))
        self.squares = np.zeros((features, channels))
        self.level = np.zeros(classes)
        self.scatter = np.zeros((features, channels, channels) if full else 0)
        self.cross = np.zeros((features, channels, classes) if full else 0)
        self.full = full

    def add(self, x: npt.NDArray[np.floating], y: Array) -> None:
        """Add a block of examples ``x`` (b, f, p) with targets ``y`` (b, c)."""
        mean, level = x.mean(axis=0, dtype=np.float64), y.mean(axis=0)
        centred, aims = x - mean, y - level
        total = self.count + len(x)
        apart, aside = mean - self.mean, level - self.level
        weight = self.count * len(x) / total
        self.squares += np.einsum("bfp,bfp->fp", centred, centred) + weight * apart**2
        if self.full:
            for own, far, scatter, cross in zip(
                centred.swapaxes(0, 1), apart, self.scatter, self.cross, strict=True
            ):
                scatter += own.T @ own + weight * np.outer(far, far)
                cross += own.T @ aims + weight * np.outer(far, aside)
        self.mean += apart * (len(x) / total)
        self.level += aside * (len(x) / total)
        self.count = total

    @property
    def scale(self) -> Array:
        """Standard deviation of every feature (f, p); infinite where it is rounding."""
        constant = self.squares <= CONSTANT * (self.squares + self.count * self.mean**2)
        return np.where(constant, np.inf, np.sqrt(self.squares / self.count))
