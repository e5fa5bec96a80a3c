"""Kernel entries from inner products of centred images, block by block, in float32."""

from typing import Protocol

import numpy as np

from seelike.analysis.similarity.exact.image_blocks import Float32
from seelike.analysis.similarity.gram import Array


class Kernel(Protocol):
    """Turns inner products of centred images into kernel entries."""

    diagonal: Array

    def apply(self, products: Float32, tap: int, rows: slice, columns: slice) -> None:
        """Change ``products`` between the images ``rows`` and ``columns`` in place."""


class Linear:
    """Linear kernel, U-centred at once; ``energies`` (T, n) are its diagonal.

    Centred over all images, an image's products with the others sum to minus its energy, so
    that U-centring (Székely & Rizzo 2014) adds (e_i + e_j) / (n - 2) - sum e / ((n - 1) (n - 2)).
    This changes no estimator, and keeps precision where an image is far from the others.
    """

    def __init__(self, energies: Array) -> None:
        n = energies.shape[1]
        total = energies.sum(axis=1, keepdims=True)
        shift = energies / (n - 2) - total / (2 * (n - 1) * (n - 2))
        self.diagonal = energies + 2 * shift
        self.shift = shift.astype(np.float32)

    def apply(self, products: Float32, tap: int, rows: slice, columns: slice) -> None:
        """Turn inner products into U-centred ones."""
        products += self.shift[tap, rows, None]
        products += self.shift[tap, columns]


class Distances:
    """Squared distances between images of ``energies`` (T, n)."""

    def __init__(self, energies: Array) -> None:
        self.energies = energies.astype(np.float32)
        self.diagonal = np.zeros(energies.shape)

    def apply(self, products: Float32, tap: int, rows: slice, columns: slice) -> None:
        """Turn inner products into squared distances."""
        products *= np.float32(-2)
        products += self.energies[tap, rows, None]
        products += self.energies[tap, columns]
        np.maximum(products, 0, out=products)


class Gaussian:
    """Kernel exp(-rate d²) less ``level``, close to its mean, for precision; both (T,).

    Subtracting a constant from all entries, the diagonal included, changes no estimator.
    """

    def __init__(self, distances: Distances, rate: Array, level: Array) -> None:
        self.distances = distances
        self.rate, self.level = rate.astype(np.float32), level.astype(np.float32)
        constant = 1 - self.level[:, None].astype(np.float64)
        self.diagonal = np.broadcast_to(constant, distances.diagonal.shape)

    def apply(self, products: Float32, tap: int, rows: slice, columns: slice) -> None:
        """Turn inner products into entries of the RBF kernel."""
        self.distances.apply(products, tap, rows, columns)
        products *= -self.rate[tap]
        np.exp(products, out=products)
        products -= self.level[tap]
