"""Linear predictivity: share of a tap that a ridge regression from another explains."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.gram import Array, centre
from seelike.analysis.similarity.image_pairs import Order
from seelike.analysis.similarity.measures.features import dual_gram
from seelike.analysis.similarity.measures.measure import FitMeasure, Undefined

# Every other image is fitted, those between are held out: sets that are in the order of classes
# or of time then have all of them in both halves.
FITTED, HELD_OUT = slice(0, None, 2), slice(1, None, 2)
FEWEST = 8
# Ridge penalties, as multiples of the mean eigenvalue of the fitted images' Gram matrix.
PENALTIES = 10.0 ** np.arange(-6, 6.5, 0.5)


@dataclass(frozen=True)
class Halves:
    """A tap as predictor and as target, centred at the mean of the fitted images.

    Attributes:
        gram: Gram matrix, (n, n).
        values: Eigenvalues of its block of f fitted images without the constant vector, which the
            intercept takes, (f - 1,).
        vectors: Eigenvectors of that block, (f, f - 1).
        onto: Inner products of the h held-out images with those vectors, (h, f - 1).
    """

    gram: Array
    values: Array
    vectors: Array
    onto: Array


def halves(x: npt.ArrayLike) -> Halves:
    """Prepare activations as predictor and as target.

    Args:
        x: Activations, (n, ...).

    Raises:
        Undefined: There are fewer than 8 images, or one half of the images does not vary.
        AnalysisError: As for ``dual_gram``.
    """
    kernel = dual_gram(x)
    if len(kernel) < FEWEST:
        raise Undefined(
            f"{len(kernel)} images: half are fitted and half held out, which needs at least "
            f"{FEWEST}; take more images per batch, or another measure"
        )
    for half, what in ((FITTED, "fitted"), (HELD_OUT, "held out")):
        varying = np.trace(centre(kernel[half, half]))
        if varying <= len(kernel) * np.finfo(np.float64).eps * np.trace(kernel):
            raise Undefined(
                f"the activations do not vary over the {len(kernel[half])} images that are {what}:"
                " take more images per batch, or another measure"
            )
    kernel = _about_the_fitted(kernel)
    fitted = kernel[FITTED, FITTED]
    contrasts = np.linalg.svd(np.ones((1, len(fitted))))[2][1:]
    values, mixing = np.linalg.eigh(contrasts @ fitted @ contrasts.T)
    vectors = contrasts.T @ mixing
    return Halves(kernel, np.maximum(values, 0.0), vectors, kernel[HELD_OUT, FITTED] @ vectors)


def _about_the_fitted(kernel: Array) -> Array:
    """``kernel`` (n, n) of features about the mean of the fitted images."""
    rows = kernel[FITTED].mean(axis=0)
    return np.asarray(kernel - rows - rows[:, None] + rows[FITTED].mean())


def permuted_target(y: Halves, order: Order) -> Halves:
    """Permute the images of ``y`` by ``order`` (n,), for use as a target only."""
    return replace(y, gram=_about_the_fitted(y.gram[np.ix_(order, order)]))


def held_out_r2(x: Halves, y: Halves) -> float:
    """Compute R² on held-out images of a ridge regression from ``x`` to ``y``.

    R² is 1 - SS_res / SS_tot. Sums run over all features of ``y``, so that each is weighted by its
    variance (Yamins et al. 2014; Kornblith et al. 2019, section 4, not held out there). Invariant
    to orthogonal maps, isotropic scale and shift of either tap. The value depends on which images
    are fitted.

    Args:
        x: The predictor.
        y: The target, on the same images.

    Returns:
        R², 1 where ``y`` is linear in ``x`` on the fitted images; negative where the prediction is
        worse than the mean.
    """
    shrunk = x.values + penalty(x, y)
    weights = (x.onto / shrunk) @ x.vectors.T
    fitted, held = y.gram[FITTED, FITTED], y.gram[HELD_OUT, HELD_OUT]
    cross = np.vdot(weights, y.gram[HELD_OUT, FITTED])
    residual = np.trace(held) - 2 * cross + np.vdot(weights @ fitted, weights)
    return float(1 - residual / np.trace(centre(held)))


def penalty(x: Halves, y: Halves) -> float:
    """Choose the ridge penalty of the regression from ``x`` to ``y``.

    The choice has the least generalised cross-validation error on the fitted images (Golub, Heath &
    Wahba 1979) among ``PENALTIES``, the intercept counted as a parameter.

    Args:
        x: The predictor.
        y: The target.

    Returns:
        The penalty, in units of ``x``'s Gram matrix.
    """
    energies = np.einsum("ij,ij->j", x.vectors, y.gram[FITTED, FITTED] @ x.vectors)
    candidates = PENALTIES * x.values.mean()
    shrinkage = candidates[:, None] / (x.values + candidates[:, None])
    errors = (shrinkage**2 @ energies) / shrinkage.sum(axis=1) ** 2
    return float(candidates[np.argmin(errors)])


PREDICTIVITY = FitMeasure(
    name="predictivity",
    title="linear predictivity, held-out R² of a ridge regression",
    source="Yamins et al. (2014); Kornblith et al. (2019), section 4; penalty by generalised "
    "cross-validation, Golub, Heath & Wahba (1979)",
    prepare=halves,
    compare=held_out_r2,
    permute=permuted_target,
    symmetric=False,
)
