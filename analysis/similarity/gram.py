"""Gram matrices of activations, centred without losing digits."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import numpy.typing as npt

from analysis.errors import AnalysisError

Array = npt.NDArray[np.float64]

# Energy of features that differ by no more than four units in float32's last place.
CONSTANT = (4 * np.finfo(np.float32).eps) ** 2
# Squares outside this range lose digits, or everything, in float32.
SMALLEST, LARGEST = 1e-26, 1e30
# Numbers of a block of features: 2 MB, so that it is centred and multiplied inside the cache.
BLOCK = 2**19
# Blocks are summed in this many shares, whatever the number of cores: the same digits anywhere.
SHARES = 8
# Above so many images one share, with BLAS's own threads: each share holds an n x n sum.
MANY = 4096


class NonFinite(AnalysisError):
    """Activations (of ``tap``) hold NaN or infinity; ``row`` is the first image that has one."""

    def __init__(self, row: int, tap: str = "") -> None:
        super().__init__(f"activations of image {row} {tap and f'at {tap} '}are not finite")
        self.row, self.tap = row, tap


def check_finite(x: npt.NDArray[np.float32]) -> None:
    """Raise ``NonFinite`` with the first image of ``x`` (n, ...) that has NaN or infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        # NaN and infinity never sum to a finite number; large finite values may overflow.
        if np.isfinite(x.sum()):
            return
    rows = np.isfinite(x.reshape(len(x), -1)).all(axis=1)
    if not rows.all():
        raise NonFinite(int(np.argmin(rows)))


def gram(x: npt.ArrayLike) -> Array:
    """The Gram matrix (n, n) of ``x`` (n, ...), features flattened and centred over n; float64.

    Blocks of features are centred and multiplied by themselves in float32 (float64 for float64
    input), and summed in float64. Features that are constant over the images give exactly zero.
    Raises ``NonFinite`` for NaN and infinity, ``AnalysisError`` for fewer than 4 images or no
    features. Uses every core, best with BLAS limited to one thread.
    """
    flat = _flat(x)
    product, mean_energy = _centred_product(flat)
    energy = float(np.diag(product).max())
    if not SMALLEST < energy < LARGEST:
        check_finite(flat)
        exponent = int(np.frexp(np.abs(flat).max())[1])
        if exponent:  # By a power of two, which is exact.
            return np.ldexp(gram(np.ldexp(flat, -exponent)), 2 * exponent)
    return gram_of_product(product, mean_energy=mean_energy)


def gram_of_product(product: npt.ArrayLike, *, mean_energy: float) -> Array:
    """The Gram matrix from the product (n, n) of features whose mean was taken out in float32.

    What rounding left of the mean is common to all images, and goes here. ``mean_energy`` is
    n times the squared length of that mean: where the features differ by its rounding alone
    they are constant, and their Gram matrix is exactly zero.
    """
    centred = centre(np.asarray(product, np.float64))
    spread = float(np.trace(centred))
    if spread <= CONSTANT * (spread + mean_energy):
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


def _centred_product(flat: npt.NDArray[np.floating]) -> tuple[Array, float]:
    """The product of ``flat`` (n, p) with its mean image taken out, and that mean's energy.

    A block of features is centred while it is in the cache, which costs less than what the
    product of one long operand loses there.
    """
    width = max(256, BLOCK // len(flat))
    starts = range(0, flat.shape[1], width)
    count = min(SHARES, len(starts)) if len(flat) <= MANY else 1
    shares = [starts[i::count] for i in range(count)]

    def one(share: range) -> tuple[Array, float]:
        total, energy = np.zeros((len(flat), len(flat))), 0.0
        held = np.empty((len(flat), width), flat.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in share:
                block = flat[:, start : start + width]
                mean = block.mean(axis=0)
                centred = np.subtract(block, mean, out=held[:, : block.shape[1]])
                # NumPy computes a matrix times its own transpose as a symmetric product.
                total += centred @ centred.T
                energy += float(np.dot(mean, mean))
        return total, energy

    done = [one(shares[0])] if len(shares) == 1 else list(_threads().map(one, shares))
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.sum([product for product, _ in done], axis=0)
    return total, len(flat) * sum(energy for _, energy in done)


@cache
def _threads() -> ThreadPoolExecutor:
    """Shared by all callers, so that several at a time do not take more than every core."""
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="gram")
