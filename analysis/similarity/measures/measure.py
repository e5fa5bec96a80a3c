"""Types of similarity measures, and errors of activations for which they are not defined."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.image_pairs import TRIANGLE, Order, Pairs


@dataclass(frozen=True)
class PairMeasure:
    """Measure that is the cosine of two vectors over pairs of images.

    Attributes:
        name: Name in a study.
        title: Name in figures.
        source: The paper.
        vector: Maps activations (n, ...) to (m,) float64, m fixed by n; zeros for a tap that does
            not vary over the images.
        weighted: Whether batches are weighted by their vectors' lengths, a ratio of sums (CKA);
            otherwise every batch has the same weight, a mean of cosines.
        pairs: Pairs of images of the m numbers.
        undefined: Where ``vector`` raises ``Undefined``, and the remedy, for reports.
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
    """Measure that fits one tap to another: costly once per tap, cheap once per pair.

    Attributes:
        name: Name in a study.
        title: Name in figures.
        source: The paper.
        prepare: Maps activations (n, ...) to the input of ``compare``, O(n²) numbers whatever the
            number of features.
        compare: Maps two prepared taps on the same images to a number, 1 for the same, in O(n³).
        symmetric: Whether the order of taps does not matter; otherwise the second is fitted by the
            first.
        permute: Maps a prepared ``x`` and an order (n,) to the second input of ``compare`` for
            ``x[order]``.
        quick: ``compare`` to seven digits, where that is faster, for permutation tests.
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
    """CKA of the residuals of signatures after regression on a confounder."""

    name: str
    title: str
    source: str
    reads_activations: ClassVar[bool] = False
    symmetric: ClassVar[bool] = True


Measure = PairMeasure | FitMeasure | ExactMeasure | ResidualMeasure


class Undefined(AnalysisError):
    """A measure is not defined for these activations; the message has the reason and the remedy."""


class TooFewImages(Undefined):
    """A batch has too few images for a measure, whatever the activations."""


class Constant(Undefined):
    """Activations that do not vary over the images, for which no measure is defined."""

    def __init__(self, images: int) -> None:
        super().__init__(
            f"the activations do not vary over the {images} images: no similarity is defined; "
            "leave the tap out"
        )
