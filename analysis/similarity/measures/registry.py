"""All similarity measures, by name."""

from seelike.analysis.errors import AnalysisError, suggest
from seelike.analysis.similarity.cka import RBF_WIDTH
from seelike.analysis.similarity.measures.alignment import CKA, exact, rbf
from seelike.analysis.similarity.measures.deconfounded import DECONFOUNDED
from seelike.analysis.similarity.measures.fits.canonical import pwcca, svcca
from seelike.analysis.similarity.measures.fits.predictivity import PREDICTIVITY
from seelike.analysis.similarity.measures.fits.procrustes import PROCRUSTES
from seelike.analysis.similarity.measures.measure import Measure, PairMeasure
from seelike.analysis.similarity.measures.neighbours import mutual_knn
from seelike.analysis.similarity.measures.rsa import RSA

MEASURES: dict[str, Measure] = {
    one.name: one
    for one in (
        CKA,
        exact("debiased", "linear"),
        exact("biased", "linear"),
        rbf(),
        exact("debiased", "rbf"),
        exact("biased", "rbf"),
        DECONFOUNDED,
        RSA,
        mutual_knn(),
        PROCRUSTES,
        svcca(),
        pwcca(),
        PREDICTIVITY,
    )
}


def measure(name: str) -> Measure:
    """Find a measure by name.

    Args:
        name: A key of ``MEASURES``; RBF kernels take a width after a colon, as in ``cka_rbf:0.2``.

    Raises:
        AnalysisError: The name is unknown (the message has the nearest one), or the width is no
            width.
    """
    known, colon, setting = name.partition(":")
    if known not in MEASURES:
        raise AnalysisError(
            f"measure {name!r} is not one of {', '.join(MEASURES)}; {suggest(known, MEASURES)}"
        )
    if not colon:
        return MEASURES[known]
    return _wide(known, name=name, width=_width(setting, name=name))


def pair_measure(name: str) -> PairMeasure:
    """Find a ``PairMeasure`` by name; ``TypeError`` for another kind of measure."""
    found = measure(name)
    if not isinstance(found, PairMeasure):
        raise TypeError(f"{name} compares no vectors over pairs of images")
    return found


def _wide(known: str, *, name: str, width: float) -> Measure:
    if known == "cka_rbf":
        return rbf(width)
    if known in ("cka_rbf_exact", "cka_rbf_biased"):
        return exact("debiased" if known.endswith("exact") else "biased", "rbf", width=width)
    raise AnalysisError(f"measure {name!r}: only RBF kernels have a width; write {known!r}")


def _width(setting: str, *, name: str) -> float:
    try:
        return float(setting)
    except ValueError as error:
        raise AnalysisError(
            f"measure {name!r}: {setting!r} is no width, expected a multiple of the median "
            f"distance such as {RBF_WIDTH:g}"
        ) from error
