"""Any measure's value for the activations of two taps."""

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.cka import cka, cka_matrix
from seelike.analysis.similarity.measures import registry
from seelike.analysis.similarity.measures.measure import (
    Constant,
    ExactMeasure,
    Measure,
    PairMeasure,
    ResidualMeasure,
)


def similarity(x: npt.ArrayLike, y: npt.ArrayLike, *, measure: str | Measure = "cka") -> float:
    """Compare the activations of two layers by any measure, all images as one batch.

    Args:
        x: Activations of one layer, (n, ...).
        y: Activations of the other on the same images in the same order, (n, ...). Where a measure
            is not symmetric, ``y`` is fitted by ``x``.
        measure: A name of ``MEASURES``, or a measure with other settings such as ``rbf(0.2)``.

    Returns:
        The similarity, 1 for the same representation.

    Raises:
        AnalysisError: The measure is unknown, or ``x`` and ``y`` have different n.
        NonFinite: An activation is NaN or infinite.
        Constant: The activations are the same for all images.
        Undefined: The measure is not defined for them.

    Examples:
        >>> import numpy as np
        >>> from seelike.analysis.similarity import similarity
        >>> x = np.random.default_rng(0).normal(size=(64, 8))
        >>> y = x + np.random.default_rng(1).normal(size=(64, 8))
        >>> round(similarity(x, y), 2)
        0.53
        >>> round(similarity(x, y, measure="rsa"), 2)
        0.51
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
