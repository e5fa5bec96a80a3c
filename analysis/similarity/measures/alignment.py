"""CKA, linear and with an RBF kernel, as measures of the registry."""

from functools import partial

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.cka import RBF_WIDTH, DegenerateTaps, rbf_gram
from seelike.analysis.similarity.gram import Array, gram
from seelike.analysis.similarity.measures.measure import ExactMeasure, PairMeasure, Undefined
from seelike.analysis.similarity.signature import packed, signature

CKA = PairMeasure(
    name="cka",
    title="CKA",
    source="Kornblith et al. (2019); unbiased HSIC of Song et al. (2012); minibatches of "
    "Nguyen, Raghu & Kornblith (2021)",
    vector=signature,
    weighted=True,
)


def rbf(width: float = RBF_WIDTH) -> PairMeasure:
    """Make CKA with the kernel exp(-d² / (2 s²)), s = ``width`` x the median distance of the batch.

    Kornblith et al. (2019), section 3, with the unbiased HSIC. Invariant to orthogonal maps,
    isotropic scale and shift. ``vector`` raises ``Undefined`` where the median distance is zero
    although the tap varies.

    Args:
        width: Width of the kernel as a multiple of the median distance.

    Raises:
        AnalysisError: ``width`` is not above zero.
    """
    _check_width(width)
    return PairMeasure(
        name="cka_rbf",
        title=f"RBF CKA{_of_width(width)}",
        source="Kornblith et al. (2019), section 3; unbiased HSIC of Song et al. (2012)",
        vector=partial(_rbf_vector, width=width),
        weighted=True,
        undefined="more than half of the distances between images are zero, and so is the median, "
        "the RBF kernel's unit; take duplicated images out, or use cka",
    )


def exact(estimator: str, kernel: str, *, width: float = RBF_WIDTH) -> ExactMeasure:
    """Make CKA over all images at once, out of core.

    Args:
        estimator: 'debiased' or 'biased'.
        kernel: 'linear' or 'rbf'.
        width: Width of the RBF kernel as a multiple of the median distance.

    Raises:
        AnalysisError: ``width`` is not above zero.
    """
    _check_width(width)
    suffix = "exact" if estimator == "debiased" else estimator
    of = f"RBF CKA{_of_width(width)}" if kernel == "rbf" else "CKA"
    return ExactMeasure(
        name=f"cka_rbf_{suffix}" if kernel == "rbf" else f"cka_{suffix}",
        title=f"{'' if estimator == 'debiased' else 'biased '}{of} over all images",
        source="Kornblith et al. (2019)"
        + ("; unbiased HSIC of Song et al. (2012)" if estimator == "debiased" else ""),
        estimator=estimator,
        kernel=kernel,
        width=width,
    )


def _of_width(width: float) -> str:
    return "" if width == RBF_WIDTH else f" ({width:g} x the median distance)"


def _check_width(width: float) -> None:
    if not 0 < width < np.inf:
        raise AnalysisError(
            f"RBF width {width}, expected a multiple of the median distance above 0"
        )


def _rbf_vector(x: npt.ArrayLike, *, width: float) -> Array:
    try:
        return packed(rbf_gram(x, width=width))
    except DegenerateTaps as error:
        linear = gram(x)
        n = len(linear)
        if linear.any():
            raise Undefined(
                f"more than half of the {n} x {n} distances between images are zero, and so is "
                "the median, the RBF kernel's unit: take duplicated images out, or use cka"
            ) from error
        return np.zeros(n * (n - 1) // 2)
