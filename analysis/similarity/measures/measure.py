"""What a similarity measure is, and the errors of activations that it is not defined on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.image_pairs import TRIANGLE, Order, Pairs


@dataclass(frozen=True)
class PairMeasure:
    """A measure in which two taps are as alike as two vectors over pairs of images: their cosine.

    ``vector``: activations (n, ...) to (m,) float64, m fixed by n; all zeros for a tap that does
    not vary over the images. ``weighted``: batches are joined by their vectors' lengths, a ratio
    of sums (CKA); otherwise every batch counts alike, a mean of cosines. ``pairs``: those of
    images that the m numbers belong to. ``undefined``: where ``vector`` raises ``Undefined``,
    and the remedy, for reports on taps that are left out.
    """

    name: str
    title: str
    source: str
    vector: Callable[[npt.ArrayLike], Array]
    weighted: bool
    pairs: Pairs = TRIANGLE
    undefined: str = "the activations do not vary; leave the tap out"
    reads_activations: ClassVar[bool] = False
    symmetric: ClassVar[bool] = True


@dataclass(frozen=True)
class FitMeasure:
    """A measure that fits one tap to another: heavy once a tap, light once a pair.

    ``prepare``: activations (n, ...) to what ``compare`` needs of them, O(n²) numbers however
    many the features. ``compare``: what was prepared of two taps on the same images to a
    number, 1 is alike, in O(n³) at most. ``symmetric``: their order does not matter; otherwise
    the second is fitted by the first. ``permute``: what was prepared of ``x`` and an order (n,)
    to what ``compare`` takes as its second of ``x[order]``. ``quick``: ``compare`` to seven
    digits, where that is faster, for the many comparisons of a permutation null.
    """

    name: str
    title: str
    source: str
    prepare: Callable[[npt.ArrayLike], Any]
    compare: Callable[[Any, Any], float]
    permute: Callable[[Any, Order], Any]
    symmetric: bool
    quick: Callable[[Any, Any], float] | None = None
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
    symmetric: ClassVar[bool] = True


@dataclass(frozen=True)
class ResidualMeasure:
    """CKA of what is left of the signatures when a confounder is taken out of them."""

    name: str
    title: str
    source: str
    reads_activations: ClassVar[bool] = False
    symmetric: ClassVar[bool] = True


Measure = PairMeasure | FitMeasure | ExactMeasure | ResidualMeasure


class Undefined(AnalysisError):
    """A measure is not defined on these activations; the message names why, and the remedy."""


class TooFewImages(Undefined):
    """A batch has too few images for a measure, whatever the activations."""


class Constant(Undefined):
    """Activations that do not vary over the images, on which no measure is defined."""

    def __init__(self, images: int) -> None:
        super().__init__(
            f"the activations do not vary over the {images} images: no similarity is defined; "
            "leave the tap out"
        )
