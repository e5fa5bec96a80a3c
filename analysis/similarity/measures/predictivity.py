"""Linear predictivity: how much of a tap a ridge regression from another explains."""

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

    ``gram`` (n, n); ``values`` (f - 1,) and ``vectors`` (f, f - 1): the eigendecomposition of
    its fitted block without the constant vector, which the intercept takes; ``onto`` (h, f - 1):
    the held-out images' inner products with those vectors.
    """

    gram: Array
    values: Array
    vectors: Array
    onto: Array


def halves(x: npt.ArrayLike) -> Halves:
    """What predictivity needs of ``x`` (n, ...), as predictor and as target.

    Raises as ``dual_gram``, and ``Undefined`` for fewer than 8 images or where one half of the
    images does not vary.
    """
    kernel = dual_gram(x)
    if len(kernel) < FEWEST:
        raise Undefined(
            f"{len(kernel)} images: half are fitted and half held out, which needs at least "
            f"{FEWEST}; take more images a batch, or another measure"
        )
    for half, what in ((FITTED, "fitted"), (HELD_OUT, "held out")):
        varying = np.trace(centre(kernel[half, half]))
        if varying <= len(kernel) * np.finfo(np.float64).eps * np.trace(kernel):
            raise Undefined(
                f"the activations do not vary over the {len(kernel[half])} images that are {what}:"
                " take more images a batch, or another measure"
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
    """``y`` as a target, of the images in another order; as a predictor it is not to be used."""
    return replace(y, gram=_about_the_fitted(y.gram[np.ix_(order, order)]))


def held_out_r2(x: Halves, y: Halves) -> float:
    """R² on the held-out images of a ridge regression from ``x`` to ``y``: 1 - SS_res / SS_tot.

    Sums over all features of ``y``, so that each counts by its variance (Yamins et al. 2014;
    Kornblith et al. 2019, section 4, not held out there). 1 where ``y`` is linear in what the
    fitted images show of ``x``, negative where predicting is worse than the mean. Invariant to
    orthogonal maps, isotropic scale and shift of either. It depends on which images are fitted.
    """
    shrunk = x.values + penalty(x, y)
    weights = (x.onto / shrunk) @ x.vectors.T
    fitted, held = y.gram[FITTED, FITTED], y.gram[HELD_OUT, HELD_OUT]
    cross = np.vdot(weights, y.gram[HELD_OUT, FITTED])
    residual = np.trace(held) - 2 * cross + np.vdot(weights @ fitted, weights)
    return float(1 - residual / np.trace(centre(held)))


def penalty(x: Halves, y: Halves) -> float:
    """The ridge penalty of the regression from ``x`` to ``y``, in units of ``x``'s Gram matrix.

    That of ``PENALTIES`` with the least generalised cross-validation error on the fitted images
    (Golub, Heath & Wahba 1979), the intercept one of the parameters.
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
