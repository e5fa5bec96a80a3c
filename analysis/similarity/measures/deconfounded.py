"""Deconfounded CKA: similarity beyond that of the images themselves."""

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.cka import DegenerateTaps
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.measures.measure import ResidualMeasure

DECONFOUNDED = ResidualMeasure(
    name="cka_deconfounded",
    title="CKA without the images' own similarity",
    source="Cui et al. (2022), by the partial distance correlation of Székely & Rizzo (2014)",
)
# Share of a tap's own HSIC that has to remain: below it is the rounding of float32 signatures.
REMAINING = 1e-6
# What float32 rounding of signatures becomes when so small a share is divided by.
RESIDUAL_ROUNDING = 0.1


class Confounded(AnalysisError):
    """Taps (``indices``) that the confounder explains completely."""

    def __init__(self, indices: list[int]) -> None:
        super().__init__(
            f"taps {indices} are explained wholly by the confounder: nothing is left to compare; "
            "leave them out, or use plain CKA"
        )
        self.indices = indices


def deconfounded(parts: npt.ArrayLike) -> Array:
    """Compute HSICs of every batch with the confounder regressed out.

    Each tap's signature, all batches joined, is replaced by its residual from the confounder's:
    with H the sum of ``parts`` and 0 the confounder, βᵢ = Hᵢ₀ / H₀₀, and batch b gives hᵢⱼ - βᵢ h₀ⱼ
    - βⱼ hᵢ₀ + βᵢ βⱼ h₀₀, which sums to Hᵢⱼ - Hᵢ₀ Hⱼ₀ / H₀₀. ``cka_from_hsic`` of the result is the
    cosine of residuals: the partial distance correlation of Székely & Rizzo (2014) in U-centred
    space. It serves the purpose of the deconfounded CKA of Cui et al. (2022), which regresses
    biased Gram matrices and may cut negative eigenvalues; here none are cut. Resampling the batches
    of the result keeps β fixed.

    Args:
        parts: Inner products of signatures, (batches, T + 1, T + 1); the last row and column are
            the confounder's, the images' own pixels.

    Returns:
        HSICs, (batches, T, T) float64.

    Raises:
        AnalysisError: ``parts`` are not finite or of another shape, or the confounder does not
            vary.
        DegenerateTaps: A tap is constant.
        Confounded: The confounder explains a tap completely.
    """
    hsic = np.asarray(parts, np.float64)
    if hsic.ndim != 3 or hsic.shape[1] != hsic.shape[2] or hsic.shape[1] < 2 or not len(hsic):
        raise AnalysisError(
            f"parts of shape {hsic.shape}, expected (batches, taps + 1, taps + 1), the confounder "
            "last"
        )
    if not np.isfinite(hsic).all():
        raise AnalysisError("parts are not finite: compare taps whose activations are")
    share, remaining = regression(hsic.sum(axis=0))
    if (remaining <= REMAINING).any():
        raise Confounded([int(i) for i in np.flatnonzero(remaining <= REMAINING)])
    return np.stack([_residual(batch, share) for batch in hsic])


def _residual(batch: Array, share: Array) -> Array:
    fitted = np.outer(share, batch[-1, :-1])
    explained = np.outer(share, share) * batch[-1, -1]
    return np.asarray(batch[:-1, :-1] - fitted - fitted.T + explained)


def regression(total: Array) -> tuple[Array, Array]:
    """Regress taps on the confounder.

    Args:
        total: HSICs over all batches, the confounder's last, (T + 1, T + 1).

    Returns:
        Slopes βᵢ, (T,), and the share of each tap's own HSIC that the confounder leaves, (T,).

    Raises:
        AnalysisError: As for ``deconfounded``.
    """
    own, confounder = np.diag(total)[:-1], total[-1, -1]
    if confounder <= 0:
        raise AnalysisError(
            "the confounder does not vary over the images: there is nothing to regress out"
        )
    degenerate = np.flatnonzero(own <= 0)
    if len(degenerate):
        raise DegenerateTaps([int(i) for i in degenerate])
    share = total[-1, :-1] / confounder
    return share, 1 - share * (total[-1, :-1] / own)
