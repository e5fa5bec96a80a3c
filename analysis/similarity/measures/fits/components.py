"""Principal components of a tap over the images, from its Gram matrix."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.image_pairs import Order
from seelike.analysis.similarity.measures.features import dual_gram


@dataclass(frozen=True)
class Components:
    """Principal components of a tap, the largest first.

    Attributes:
        variances: Variances up to a common scale, (r,).
        directions: Left singular vectors, (n, r).
        features: Features of the tap.
    """

    variances: Array
    directions: Array
    features: int

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self.directions)

    def permuted(self, order: Order) -> "Components":
        """Permute the images by ``order`` (n,)."""
        return replace(self, directions=self.directions[order])

    def first(self, count: int) -> "Components":
        """Select the ``count`` largest."""
        return Components(self.variances[:count], self.directions[:, :count].copy(), self.features)


def components(x: npt.ArrayLike) -> Components:
    """Compute all principal components above the rounding of float64.

    Args:
        x: Activations, (n, ...).

    Raises:
        AnalysisError: As for ``dual_gram``.
    """
    kernel = dual_gram(x)
    variances, directions = np.linalg.eigh(kernel)
    variances, directions = variances[::-1], directions[:, ::-1]
    rank = int(np.sum(variances > len(kernel) * np.finfo(np.float64).eps * variances[0]))
    return Components(variances, directions, int(np.size(x)) // len(kernel)).first(rank)
