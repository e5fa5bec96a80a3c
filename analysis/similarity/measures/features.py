"""Activations as measures in float64 read them: checked, in blocks, and as a Gram matrix."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import CONSTANT, Array, NonFinite
from seelike.analysis.similarity.measures.measure import Constant

Features = npt.NDArray[np.floating]

# Float64 numbers that one block of features holds: 32 MB, whatever the number of images.
HELD = 2**22


def flatten(x: npt.ArrayLike) -> Features:
    """Flatten and check activations.

    Args:
        x: Activations, (n, ...).

    Returns:
        Activations, (n, p), float64 where ``x`` is, float32 otherwise.

    Raises:
        NonFinite: An activation is NaN or infinite.
        AnalysisError: There are fewer than 4 images, or no features.
    """
    array = np.asarray(x)
    if array.ndim < 2 or array.shape[0] < 4 or array.size == 0:
        raise AnalysisError(
            f"activations of shape {array.shape}, expected (images, features...) with at least "
            "4 images and 1 feature"
        )
    kind = np.float64 if array.dtype == np.float64 else np.float32
    flat: Features = np.asarray(array.reshape(len(array), -1), kind)
    if not np.isfinite(_largest(flat)):
        raise NonFinite(int(np.argmin(np.isfinite(flat).all(axis=1))))
    return flat


def blocks(flat: Features) -> Iterator[Array]:
    """Cut activations into float64 blocks of features.

    All are scaled by one power of two, which is exact, so that no square overflows float64.

    Args:
        flat: Activations, (n, p).

    Yields:
        Features of one block, (n, features) float64.
    """
    exponent = int(np.frexp(_largest(flat))[1])
    features = max(1, HELD // len(flat))
    for start in range(0, flat.shape[1], features):
        block = flat[:, start : start + features]
        yield np.ldexp(block.astype(np.float64, order="C"), -exponent)


def dual_gram(x: npt.ArrayLike) -> Array:
    """Compute the Gram matrix of centred activations in float64, up to its scale.

    It serves measures that do not depend on the scale and read small eigenvalues, which the float32
    product of ``gram`` loses.

    Args:
        x: Activations, (n, ...).

    Returns:
        Gram matrix, (n, n) float64.

    Raises:
        Constant: The activations are the same for all images.
        AnalysisError: As for ``flatten``.
    """
    flat = flatten(x)
    total = np.zeros((len(flat), len(flat)))
    energy = 0.0
    for block in blocks(flat):
        energy += float(np.vdot(block, block))
        block -= block.mean(axis=0)
        total += block @ block.T
    if np.trace(total) <= CONSTANT * energy:
        raise Constant(len(flat))
    return total


def _largest(flat: Features) -> float:
    """The largest magnitude in ``flat``, without a copy; NaN or infinity where it has any."""
    return max(float(flat.max()), -float(flat.min()))
