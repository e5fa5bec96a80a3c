"""Groups of images that a jackknife leaves out one at a time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import Array


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of images that are left out one at a time.

    Attributes:
        weight: Share of each group in a number, (B,); the shares of a factor sum to 1.
        images: Images per group, (B,).
        factor: The kind of each group, (B,), such as test images or draws: variances add.
    """

    weight: Array
    images: Array
    factor: npt.NDArray[np.intp]

    @classmethod
    def alike(cls, images: npt.ArrayLike) -> "Groups":
        """Batches of equal weight, whatever their number of ``images`` (B,)."""
        counts = np.asarray(images, np.float64)
        return cls(np.full(len(counts), 1 / len(counts)), counts, np.zeros(len(counts), np.intp))

    @classmethod
    def by_size(cls, images: npt.ArrayLike) -> "Groups":
        """Groups weighted by their number of ``images`` (B,), as in a mean over images."""
        counts = np.asarray(images, np.float64)
        return cls(counts / counts.sum(), counts, np.zeros(len(counts), np.intp))

    def same(self, other: "Groups") -> bool:
        """Whether ``other`` has the same groups."""
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("weight", "images", "factor")
        )

    def freedom(self, factor: int) -> float:
        """Degrees of freedom of one factor: groups less one, fewer where their sizes differ.

        Satterthwaite (1946), for terms whose variance is inverse to their number of images.
        """
        own = self.factor == factor
        parts = self.weight[own] ** 2 / self.images[own]
        return float(parts.sum() ** 2 / (parts**2).sum() - 1)
