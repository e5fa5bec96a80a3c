"""How alike activations are: Grams, signatures, CKA, its intervals, and what they say."""

from analysis.similarity.cka import (
    DegenerateTaps,
    cka,
    cka_from_hsic,
    cka_matrix,
    minibatch_cka,
)
from analysis.similarity.gram import NonFinite, check_finite, gram
from analysis.similarity.intervals import Estimate, bootstrap, estimate, mean_interval
from analysis.similarity.resampled import Resampled, resampled
from analysis.similarity.signature import batch_cosines, signature, unit

__all__ = [
    "DegenerateTaps",
    "Estimate",
    "NonFinite",
    "Resampled",
    "batch_cosines",
    "bootstrap",
    "check_finite",
    "cka",
    "cka_from_hsic",
    "cka_matrix",
    "estimate",
    "gram",
    "mean_interval",
    "minibatch_cka",
    "resampled",
    "signature",
    "unit",
]
