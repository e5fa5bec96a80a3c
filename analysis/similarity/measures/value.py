"""Any measure's value for the activations of two taps."""

import numpy as np
import numpy.typing as npt

from analysis.errors import AnalysisError
from analysis.similarity.cka import cka, cka_matrix
from analysis.similarity.measures import registry
from analysis.similarity.measures.measure import (
    Constant,
    ExactMeasure,
    Measure,
    PairMeasure,
    ResidualMeasure,
)


def similarity(x: npt.ArrayLike, y: npt.ArrayLike, *, measure: str | Measure = "cka") -> float:
    """How alike activations ``x`` (n, ...) and ``y`` (n, ...) are, all n images as one batch.

    ``measure`` is a name of ``MEASURES``, or a measure made with other settings such as
    ``rbf(0.2)``. 1 is alike; where a measure is not symmetric, ``y`` is fitted by ``x``. Raises
    ``AnalysisError`` for an unknown measure or unequal n, ``NonFinite`` for NaN and infinity,
    ``Constant`` and ``Undefined`` where the measure is not defined.
    """
    chosen = registry.measure(measure) if isinstance(measure, str) else measure
    if np.shape(x)[:1] != np.shape(y)[:1]:
        raise AnalysisError(
            f"x is of shape {np.shape(x)}, y of shape {np.shape(y)}: expected the same images, "
            "first axis, in both"
        )
    if isinstance(chosen, PairMeasure):
        vectors = [chosen.vector(x), chosen.vector(y)]
        if not all(vector.any() for vector in vectors):
            raise Constant(len(np.asarray(x)))
        return float(cka_matrix(vectors[:1], vectors[1:])[0, 0])
    if isinstance(chosen, ExactMeasure):
        return cka(x, y, estimator=chosen.estimator, kernel=chosen.kernel, width=chosen.width)
    if isinstance(chosen, ResidualMeasure):
        raise AnalysisError(
            f"{chosen.name} needs the images beside the activations: compare a study, or use "
            "deconfounded(parts)"
        )
    return chosen.compare(chosen.prepare(x), chosen.prepare(y))
