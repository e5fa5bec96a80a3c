"""Canonical correlations of principal components: SVCCA and PWCCA."""

from functools import partial

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.measures.fits.components import Components, components
from seelike.analysis.similarity.measures.measure import FitMeasure, Undefined

# The share of the variance that is kept, as by Raghu et al. (2017).
VARIANCE = 0.99
# Relative difference below which two variances, or two correlations, are one.
TIED = 1e-9


def svcca(variance: float = VARIANCE) -> FitMeasure:
    """Make SVCCA: the mean canonical correlation of leading principal components.

    Raghu et al. (2017). Invariant to orthogonal maps, isotropic scale and shift, and to invertible
    maps that keep the subspace of the leading components. Independent taps of a and b components
    have a mean squared correlation of max(a, b) / (n - 1), not 0. Errors as for ``leading``.

    Args:
        variance: Share of the variance in the components.
    """
    return FitMeasure(
        name="svcca",
        title=f"SVCCA, components with {variance:.4g} of the variance",
        source="Raghu, Gilmer, Yosinski & Sohl-Dickstein (2017)",
        prepare=partial(leading, variance=_share(variance)),
        compare=mean_correlation,
        permute=Components.permuted,
        symmetric=True,
    )


def pwcca(variance: float = VARIANCE) -> FitMeasure:
    """Make projection weighted CCA of leading principal components.

    Morcos, Raghu & Bengio (2018), with weights from the first tap. Its neurons are the components,
    as after the SVD of SVCCA, so the value is invariant to rotations of features; other maps of the
    first tap change the weights. Errors as for ``leading`` and ``weighted_correlation``.

    Args:
        variance: Share of the variance in the components.
    """
    return FitMeasure(
        name="pwcca",
        title=f"PWCCA, components with {variance:.4g} of the variance",
        source="Morcos, Raghu & Bengio (2018)",
        prepare=partial(leading, variance=_share(variance)),
        compare=weighted_correlation,
        permute=Components.permuted,
        symmetric=False,
    )


def leading(x: npt.ArrayLike, *, variance: float = VARIANCE) -> Components:
    """Compute the fewest principal components that have a share of the variance.

    Components of equal variance are kept together, since a choice among them would be arbitrary.

    Args:
        x: Activations, (n, ...).
        variance: Share of the variance.

    Raises:
        Undefined: They are more than half of the n - 1 that n images allow; two subspaces so large
            share directions whatever the taps are.
        AnalysisError: As for ``components``.
    """
    found = components(x)
    running = np.cumsum(found.variances)
    count = 1 + int(np.searchsorted(running, variance * running[-1]))
    count = int(np.sum(found.variances >= (1 - TIED) * found.variances[count - 1]))
    forced = 2 * count - (found.images - 1)
    if forced > 0:
        raise Undefined(
            f"{count} components hold {variance:.4g} of the variance of {found.features} features; "
            f"of two such taps on {found.images} images {forced} canonical correlations are 1 by "
            "construction: take many more images per batch, a reduction to fewer features such as "
            "'mean', or another measure"
        )
    return found.first(count)


def mean_correlation(x: Components, y: Components) -> float:
    """Compute the mean canonical correlation of two taps' components."""
    return float(np.linalg.svd(x.directions.T @ y.directions, compute_uv=False).mean())


def weighted_correlation(x: Components, y: Components) -> float:
    """Compute Σ αᵢ ρᵢ / Σ αᵢ with αᵢ = Σⱼ |<hᵢ, xⱼ>|, hᵢ the canonical directions of the first tap.

    Args:
        x: Components of the first tap.
        y: Components of the second tap.

    Raises:
        Undefined: The weights are not determined, since the variances of the first tap's components
            or the correlations are not all distinct.
    """
    mixing, correlations, _ = np.linalg.svd(x.directions.T @ y.directions, full_matrices=False)
    if correlations[0] - correlations[-1] <= TIED:
        return float(correlations.mean())
    if not (_distinct(np.log(x.variances)) and _distinct(correlations)):
        raise Undefined(
            f"{len(correlations)} canonical correlations of {x.images} images: some, or some of "
            "the first tap's variances, are equal, so that their weights are not determined; "
            "use svcca"
        )
    weights = np.abs(mixing).T @ np.sqrt(x.variances)
    return float(weights @ correlations / weights.sum())


def _distinct(values: Array) -> bool:
    """Whether no two of the descending ``values`` are equal."""
    return bool(np.all(-np.diff(values) > TIED))


def _share(variance: float) -> float:
    if not 0 < variance <= 1:
        raise AnalysisError(f"{variance} of the variance, expected a share above 0 and up to 1")
    return variance
