"""Similarity of activations: Grams, signatures, CKA and other measures, with intervals."""

from seelike.analysis.similarity.cka import (
    DegenerateTaps,
    cka,
    cka_from_hsic,
    cka_matrix,
    minibatch_cka,
)
from seelike.analysis.similarity.gram import NonFinite, check_finite, gram
from seelike.analysis.similarity.intervals.cka_intervals import (
    cell_interval,
    jackknifed_cka,
    mean_interval,
)
from seelike.analysis.similarity.intervals.estimate import Estimate
from seelike.analysis.similarity.intervals.groups import Groups
from seelike.analysis.similarity.intervals.jackknife import Jackknifed, jackknifed
from seelike.analysis.similarity.measures import similarity
from seelike.analysis.similarity.signature import batch_cosines, signature, unit

__all__ = [
    "DegenerateTaps",
    "Estimate",
    "Groups",
    "Jackknifed",
    "NonFinite",
    "batch_cosines",
    "cell_interval",
    "check_finite",
    "cka",
    "cka_from_hsic",
    "cka_matrix",
    "gram",
    "jackknifed",
    "jackknifed_cka",
    "mean_interval",
    "minibatch_cka",
    "signature",
    "similarity",
    "unit",
]
