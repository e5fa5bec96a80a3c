"""Orthogonal Procrustes: how far two taps are apart after the best rotation."""

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.image_pairs import Order
from seelike.analysis.similarity.measures.components import components
from seelike.analysis.similarity.measures.measure import FitMeasure


def shape(x: npt.ArrayLike) -> Array:
    """The centred activations ``x`` (n, ...) up to rotation, (n, r) of unit Frobenius norm.

    Raises as ``components``.
    """
    found = components(x)
    return np.asarray(found.directions * np.sqrt(found.variances / found.variances.sum()))


def cosine(a: Array, b: Array) -> float:
    """The largest inner product of two shapes over all rotations: the nuclear norm of aᵀ b.

    ‖Xᵀ Y‖_* / (‖X‖_F ‖Y‖_F) of centred features (Schönemann 1966; Williams et al. 2021): the
    cosine of their angular distance. Invariant to orthogonal maps, isotropic scale and shift.
    Like biased CKA it is high for any two taps with many more features than images: read it
    beside its null.
    """
    return float(np.linalg.svd(a.T @ b, compute_uv=False).sum())


def quick_cosine(a: Array, b: Array) -> float:
    """``cosine`` to seven digits, in a third of the time: by the eigenvalues of a product."""
    crossed = a.T @ b
    squares = crossed @ crossed.T if crossed.shape[0] < crossed.shape[1] else crossed.T @ crossed
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(squares), 0.0)).sum())


def permute_shape(a: Array, order: Order) -> Array:
    """The shape of the images in another order."""
    return np.asarray(a[order])


def angular_distance(similarity: npt.ArrayLike) -> Array:
    """The angular shape distance arccos(``similarity``) in radians, a metric.

    Williams et al. (2021). Raises ``AnalysisError`` for similarities that are not cosines. A
    similarity that rounding leaves 1e-16 below 1 is a distance of 1e-8.
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
