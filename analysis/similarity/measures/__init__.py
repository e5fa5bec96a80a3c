"""Similarity measures beyond CKA, all with one signature: ``similarity(x, y, measure=name)``."""

from seelike.analysis.similarity.measures.alignment import rbf
from seelike.analysis.similarity.measures.deconfounded import Confounded, deconfounded
from seelike.analysis.similarity.measures.fits.canonical import pwcca, svcca
from seelike.analysis.similarity.measures.fits.predictivity import PREDICTIVITY
from seelike.analysis.similarity.measures.fits.procrustes import PROCRUSTES, angular_distance
from seelike.analysis.similarity.measures.measure import (
    Constant,
    ExactMeasure,
    FitMeasure,
    Measure,
    PairMeasure,
    ResidualMeasure,
    TooFewImages,
    Undefined,
)
from seelike.analysis.similarity.measures.neighbours import mutual_knn
from seelike.analysis.similarity.measures.registry import MEASURES, measure, pair_measure
from seelike.analysis.similarity.measures.value import similarity

__all__ = [
    "MEASURES",
    "PREDICTIVITY",
    "PROCRUSTES",
    "Confounded",
    "Constant",
    "ExactMeasure",
    "FitMeasure",
    "Measure",
    "PairMeasure",
    "ResidualMeasure",
    "TooFewImages",
    "Undefined",
    "angular_distance",
    "deconfounded",
    "measure",
    "mutual_knn",
    "pair_measure",
    "pwcca",
    "rbf",
    "similarity",
    "svcca",
]
