"""What a similarity measure is, and the errors of activations that it is not defined on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from analysis.errors import AnalysisError
from analysis.similarity.gram import Array

Vectors = npt.NDArray[np.floating]
Permutation = npt.NDArray[np.integer]


def pairs_of_images(images: int) -> int:
    """How many pairs ``images`` make: the length of a packed upper triangle."""
    return images * (images - 1) // 2


@dataclass(frozen=True)
class PairMeasure:
    """A measure in which two taps are as alike as two vectors over pairs of images: their cosine.

    ``vector``: activations (n, ...) to (m,) float64, m fixed by n; all zeros for a tap that does
    not vary over the images. ``permute``: vectors (..., m) and a permutation (n,) to the vectors
    of the permuted images, ``permute(vector(x), p) == vector(x[p])``, in the vectors' dtype.
    ``weighted``: batches are joined by their vectors' lengths, a ratio of sums (CKA); otherwise
    every batch counts alike, a mean of cosines. ``length``: n to m.
    """

    name: str
    title: str
    source: str
    vector: Callable[[npt.ArrayLike], Array]
    permute: Callable[[Vectors, Permutation], Vectors]
    weighted: bool
    length: Callable[[int], int] = pairs_of_images
    reads_activations: ClassVar[bool] = False


@dataclass(frozen=True)
class FitMeasure:
    """A measure that fits one tap to another: heavy once a tap, light once a pair.

    ``prepare``: activations (n, ...) to what ``compare`` needs of them, O(n²) numbers however
    many the features. ``compare``: what was prepared of two taps on the same images to a
    number, 1 is alike, in O(n³) at most. ``symmetric``: their order does not matter; otherwise
    the second is fitted by the first.
    """

    name: str
    title: str
    source: str
    prepare: Callable[[npt.ArrayLike], Any]
    compare: Callable[[Any, Any], float]
    symmetric: bool
    reads_activations: ClassVar[bool] = True


@dataclass(frozen=True)
class ExactMeasure:
    """CKA over all images at once: ``estimator`` and ``kernel`` of ``cka``, RBF ``width``."""

    name: str
    title: str
    source: str
    estimator: str
    kernel: str
    width: float
    reads_activations: ClassVar[bool] = True


@dataclass(frozen=True)
class ResidualMeasure:
    """CKA of what is left of the signatures when a confounder is taken out of them."""

    name: str
    title: str
    source: str
    reads_activations: ClassVar[bool] = False


Measure = PairMeasure | FitMeasure | ExactMeasure | ResidualMeasure


class Undefined(AnalysisError):
    """A measure is not defined on these activations; the message names why, and the remedy."""


class Constant(Undefined):
    """Activations that do not vary over the images, on which no measure is defined."""

    def __init__(self, images: int) -> None:
        super().__init__(
            f"the activations do not vary over the {images} images: no similarity is defined; "
            "leave the tap out"
        )
