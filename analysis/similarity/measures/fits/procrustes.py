"""Orthogonal Procrustes: distance of two taps after the best rotation."""

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.image_pairs import Order
from seelike.analysis.similarity.measures.fits.components import components
from seelike.analysis.similarity.measures.measure import FitMeasure


def shape(x: npt.ArrayLike) -> Array:
    """Compute the shape of a tap: centred activations up to rotation and scale.

    Args:
        x: Activations, (n, ...).

    Returns:
        The shape, (n, r) float64 of unit Frobenius norm.

    Raises:
        AnalysisError: As for ``components``.
    """
    found = components(x)
    return np.asarray(found.directions * np.sqrt(found.variances / found.variances.sum()))


def cosine(a: Array, b: Array) -> float:
    """Compute the largest inner product of two shapes over all rotations: the nuclear norm of aᵀ b.

    ‖Xᵀ Y‖_* / (‖X‖_F ‖Y‖_F) of centred features (Schönemann 1966; Williams et al. 2021), the cosine
    of their angular distance. Invariant to orthogonal maps, isotropic scale and shift. Like biased
    CKA it is high for any two taps with many more features than images; read it beside its null.

    Args:
        a: Shape of one tap, (n, r).
        b: Shape of the other tap on the same images, (n, s).
    """
    return float(np.linalg.svd(a.T @ b, compute_uv=False).sum())


def quick_cosine(a: Array, b: Array) -> float:
    """Compute ``cosine`` to seven digits by eigenvalues of a product, in a third of the time."""
    crossed = a.T @ b
    squares = crossed @ crossed.T if crossed.shape[0] < crossed.shape[1] else crossed.T @ crossed
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(squares), 0.0)).sum())


def permute_shape(a: Array, order: Order) -> Array:
    """Permute the images of a shape by ``order`` (n,)."""
    return np.asarray(a[order])


def angular_distance(similarity: npt.ArrayLike) -> Array:
    """Compute the angular shape distance arccos(``similarity``), a metric.

    Williams et al. (2021). A similarity 1e-16 below 1, by rounding, is a distance of 1e-8.

    Args:
        similarity: Values of ``cosine``, any shape.

    Returns:
        Distances in radians, float64 of the same shape.

    Raises:
        AnalysisError: A similarity is no cosine.
    """
    cosines = np.asarray(similarity, np.float64)
    beyond = ~(np.abs(cosines) <= 1 + 1e-9)
    if beyond.any():
        raise AnalysisError(
            f"similarity {cosines[beyond].flat[0]} is not a cosine: angular distances are those "
            "of 'procrustes'"
        )
    return np.asarray(np.arccos(np.clip(cosines, -1.0, 1.0)))


PROCRUSTES = FitMeasure(
    name="procrustes",
    title="orthogonal Procrustes, cosine of the angular shape distance",
    source="Williams, Kunz, Kornblith & Linderman (2021)",
    prepare=shape,
    compare=cosine,
    permute=permute_shape,
    symmetric=True,
    quick=quick_cosine,
)
