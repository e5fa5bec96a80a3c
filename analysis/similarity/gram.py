"""Gram matrices of activations, centred without losing digits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import numpy.typing as npt

from seelike.analysis.cores import cores
from seelike.analysis.errors import AnalysisError

Array = npt.NDArray[np.float64]
# Maps features (n, p) to their product (n, n), up to a shift, and the energy of the removed mean.
Product = Callable[[npt.NDArray[np.floating]], tuple[Array, float]]

# Energy of features that differ by no more than four units in float32's last place.
CONSTANT = (4 * np.finfo(np.float32).eps) ** 2
# Squares outside this range lose digits, or everything, in float32.
SMALLEST, LARGEST = 1e-26, 1e30
# Raw energy over centred energy of a block up to which its product is centred afterwards:
# rounding of the product, about 1e-7 of the raw energy, stays below 2e-6 of the centred one.
MEAN_SHARE = 16.0
# Numbers of a block of features: 2 MB, which the cache holds.
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


def gram(x: npt.ArrayLike, *, product: Product | None = None) -> Array:
    """Compute the centred Gram matrix of a layer's activations.

    Features are flattened and centred over the images (Kornblith et al. 2019, section 3). Blocks
    of features are multiplied in float32 (float64 for float64 input), summed and centred in
    float64. Uses every core; BLAS is best limited to one thread.

    Args:
        x: Activations, (n, ...) with n >= 4 images.
        product: Multiplies the features elsewhere, such as on a GPU.

    Returns:
        The Gram matrix, (n, n) float64; exactly zero for constant features.

    Raises:
        NonFinite: An activation is NaN or infinite.
        AnalysisError: There are fewer than 4 images, or no features.

    Examples:
        >>> import numpy as np
        >>> from seelike.analysis.similarity import gram
        >>> gram(np.random.default_rng(0).normal(size=(32, 8, 4))).shape
        (32, 32)
    """
    flat = _flat(x)
    total, mean_energy = (product or _product)(flat)
    energy = float(np.diag(total).max())
    if not SMALLEST < energy < LARGEST:
        check_finite(flat)
        exponent = int(np.frexp(np.abs(flat).max())[1])
        if exponent:  # By a power of two, which is exact.
            scaled = gram(np.ldexp(flat, -exponent), product=product)
            return np.ldexp(scaled, 2 * exponent)
    return gram_of_product(total, mean_energy=mean_energy)


def gram_of_product(product: npt.ArrayLike, *, mean_energy: float) -> Array:
    """Compute the Gram matrix from a product of features.

    Args:
        product: The product (n, n) of features, whatever is left of their mean.
        mean_energy: n times the squared length of the mean. Features that differ by its rounding
            alone are constant.

    Returns:
        The Gram matrix, (n, n) float64; exactly zero for constant features.
    """
    centred = centre(np.asarray(product, np.float64))
    spread = float(np.trace(centred))
    if spread <= CONSTANT * (spread + mean_energy):
        return np.zeros_like(centred)
    return centred


def centre(kernel: Array) -> Array:
    """Centre the rows and columns of ``kernel`` (n, n): H K H."""
    rows = kernel.mean(axis=0)
    return np.asarray(kernel - rows - rows[:, None] + rows.mean())


def u_centre(kernel: Array) -> Array:
    """U-centre ``kernel`` (n, n), n >= 4 (Székely & Rizzo 2014, eq. 2.1)."""
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


def _product(flat: npt.NDArray[np.floating]) -> tuple[Array, float]:
    """The product of ``flat`` (n, p) up to a shift, and the energy of the removed mean."""
    width = max(256, BLOCK // len(flat))
    starts = range(0, flat.shape[1], width)
    count = min(SHARES, len(starts)) if len(flat) <= MANY else 1

    def share(first: int) -> tuple[Array, float]:
        total, energy = np.zeros((len(flat), len(flat))), 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for start in starts[first::count]:
                product, own = _block_product(flat[:, start : start + width])
                total += product
                energy += own
        return total, energy

    done = [share(0)] if count == 1 else list(_threads().map(share, range(count)))
    with np.errstate(over="ignore", invalid="ignore"):
        return np.sum([total for total, _ in done], axis=0), sum(energy for _, energy in done)


def _block_product(block: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.floating], float]:
    """The product of a block (n, width), its mean removed where it would cost digits."""
    # A shift that all images share changes nothing once the product is centred. The mean is kept
    # where a single image makes it: the others would lose digits.
    # NumPy computes a matrix times its own transpose as a symmetric product.
    product = block @ block.T
    energy = float(product.sum(dtype=np.float64)) / len(block)
    if energy <= (1 - 1 / MEAN_SHARE) * float(product.trace(dtype=np.float64)):
        return product, energy
    mean = block.mean(axis=0)
    centred = block - mean
    return centred @ centred.T, len(block) * float(np.dot(mean, mean))


@cache
def _threads() -> ThreadPoolExecutor:
    """The threads of all callers together, one per core."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="gram")
