"""Gram matrices of activations, centred without losing digits."""

import numpy as np
import numpy.typing as npt

from analysis.errors import AnalysisError

Array = npt.NDArray[np.float64]

# Raw energy over centred energy up to which the float32 product is centred afterwards: rounding
# of the product, about 1e-7 of the raw energy, then stays below 2e-6 of the centred one.
MEAN_SHARE = 16.0
# Energy of features that differ by no more than four units in float32's last place.
CONSTANT = (4 * np.finfo(np.float32).eps) ** 2
# Squares outside this range lose digits, or everything, in float32.
SMALLEST, LARGEST = 1e-26, 1e30
FEATURES_AT_ONCE = 2**16


class NonFinite(AnalysisError):
    """Activations (of ``tap``) hold NaN or infinity; ``row`` is the first image that has one."""

    def __init__(self, row: int, tap: str = "") -> None:
        super().__init__(f"activations of image {row} {tap and f'at {tap} '}are not finite")
        self.row, self.tap = row, tap


def check_finite(x: npt.NDArray[np.float32]) -> None:
    """Raise ``NonFinite`` with the first image of ``x`` (n, ...) that has NaN or infinity."""
    # A float64 sum of float32 values is finite exactly where all of them are.
    if not np.isfinite(np.sum(x, dtype=np.float64)):
        rows = np.isfinite(x.reshape(len(x), -1)).all(axis=1)
        raise NonFinite(int(np.argmin(rows)))


def gram(x: npt.ArrayLike) -> Array:
    """The Gram matrix (n, n) of ``x`` (n, ...), features flattened and centred over n; float64.

    One symmetric product in float32. Centring is folded into the product where the mean's
    share allows it, and done on the features before where it would cancel the digits.
    Features that are constant over the images give exactly zero. Raises ``NonFinite`` for NaN
    and infinity, ``AnalysisError`` for fewer than 4 images or no features.
    """
    flat = _flat(x)
    raw = _product(flat)
    energies = np.diag(raw)
    if not np.isfinite(energies).all():
        check_finite(flat)
        return _scaled(flat)
    if not flat.any():
        return raw
    if flat.dtype == np.float32 and not SMALLEST < energies.max() < LARGEST:
        return _scaled(flat)
    centred = centre(raw)
    if np.trace(raw) > MEAN_SHARE * np.trace(centred):
        centred = centre(_product_of_centred(flat))
    if np.trace(centred) <= CONSTANT * np.trace(raw):
        return np.zeros_like(centred)
    return centred


def centre(kernel: Array) -> Array:
    """``kernel`` (n, n) with the mean of its rows and columns taken out: H K H."""
    rows = kernel.mean(axis=0)
    return np.asarray(kernel - rows - rows[:, None] + rows.mean())


def u_centre(kernel: Array) -> Array:
    """The U-centred ``kernel`` (n, n), n >= 4 (Székely & Rizzo 2014, eq. 2.1)."""
    n = len(kernel)
    off = kernel.copy()
    np.fill_diagonal(off, 0.0)
    rows = off.sum(axis=0) / (n - 2)
    off -= rows + rows[:, None] - off.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(off, 0.0)
    return off


def _flat(x: npt.ArrayLike) -> npt.NDArray[np.floating]:
    array = np.asarray(x)
    if array.ndim < 2 or array.shape[0] < 4 or array.size == 0:
        raise AnalysisError(
            f"activations of shape {array.shape}, expected (images, features...) with at least "
            "4 images and 1 feature"
        )
    kind = np.float64 if array.dtype == np.float64 else np.float32
    return np.ascontiguousarray(array.reshape(len(array), -1), kind)


def _product(flat: npt.NDArray[np.floating]) -> Array:
    """``flat @ flat.T``, which NumPy computes as a symmetric product, in ``flat``'s precision."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(flat @ flat.T, np.float64)


def _product_of_centred(flat: npt.NDArray[np.floating]) -> Array:
    """The product after the mean image is taken out, by blocks of features: no second copy."""
    total = np.zeros((len(flat), len(flat)))
    for start in range(0, flat.shape[1], FEATURES_AT_ONCE):
        block = flat[:, start : start + FEATURES_AT_ONCE]
        # In float64 the mean of equal float32 values is that value: constants leave zeros.
        mean = block.mean(axis=0, dtype=np.float64)
        total += _product((block - mean).astype(flat.dtype))
    return total


def _scaled(flat: npt.NDArray[np.floating]) -> Array:
    """``gram`` of features whose squares leave float32: by a power of two, which is exact."""
    exponent = int(np.frexp(np.abs(flat).max())[1])
    return np.ldexp(gram(np.ldexp(flat, -exponent)), 2 * exponent)
