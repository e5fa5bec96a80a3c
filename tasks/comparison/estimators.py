"""Each kind of measure of all pairs of taps: value, interval and permutation test."""

from functools import singledispatch
from typing import Any

import numpy as np

from seelike.analysis.similarity import cell_interval, cka_from_hsic, mean_interval
from seelike.analysis.similarity.cka import ROUNDING
from seelike.analysis.similarity.measures import (
    Confounded,
    ExactMeasure,
    FitMeasure,
    Measure,
    PairMeasure,
    ResidualMeasure,
    deconfounded,
)
from seelike.analysis.similarity.measures.deconfounded import RESIDUAL_ROUNDING
from seelike.tasks.comparison import permutation_tests
from seelike.tasks.comparison.confounder import pixel_signatures
from seelike.tasks.comparison.exact import exact_cka
from seelike.tasks.comparison.fits import Fits
from seelike.tasks.comparison.signature_products import products, shares
from seelike.tasks.comparison.taps import SEED, OpenedModels

DIMS = ("tap_a", "tap_b")
# Key beside the variables: the reason, by place, of each tap that they leave out.
UNDEFINED = "undefined"
CONFOUNDED = (
    "the images' own pixels explain all of its similarity, so that nothing is left to compare; "
    "use plain CKA"
)

Variables = dict[str, Any]


@singledispatch
def compare_layers(measure: Measure, models: OpenedModels) -> Variables:
    """Compute a measure of all pairs of taps, with its interval and permutation test.

    Args:
        measure: The measure; its type decides how it is computed.
        models: The models and their taps.

    Returns:
        Variables of the comparison by name, ``value`` (tap_a, tap_b) among them, and under
        ``UNDEFINED`` the taps that they leave out.

    Raises:
        AnalysisError: For a measure that is defined at no tap.
    """
    raise TypeError(f"{type(measure).__name__} of {len(models.plans)} models cannot be computed")


@compare_layers.register
def pair_measure(measure: PairMeasure, models: OpenedModels) -> Variables:
    """Compare signatures: cosines batch by batch, and shuffled signatures."""
    kept = models.signatures(models.measure_name)
    cosines, norms = products(kept)
    undefined = models.undefined_taps(measure, norms)
    models = models.without(undefined, measure)
    present = models.present
    parts = shares(cosines[:, present][:, :, present], norms[:, present])
    variables = _ratios(parts, images=models.batch_images)
    names = [plan.signatures(models.measure_name) for plan in models.plans]
    _set_to_one(variables, models.same_layers(names))
    test = models.test(variables["value"][1], measure)
    if test is not None:
        batches = permutation_tests.signature_batches(
            kept, norms, present=present, pairs=measure.pairs
        )
        null = permutation_tests.permutation_null(test, batches, pairs=measure.pairs)
        variables |= permutation_tests.above_chance(test, null)
    return variables | {UNDEFINED: undefined}


@compare_layers.register
def deconfounded_measure(measure: ResidualMeasure, models: OpenedModels) -> Variables:
    """Compare CKA's signatures without the part that the images' pixels explain."""
    pixels = pixel_signatures(models.plans[0], models.images, store=models.store)
    kept = [*models.signatures("cka"), pixels]
    cosines, norms = products(kept)

    def with_pixels(present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.array([*present, norms.shape[1] - 1])
        return chosen, shares(cosines[:, chosen][:, :, chosen], norms[:, chosen])

    chosen, parts = with_pixels(models.present)
    undefined: dict[int, str] = {}
    try:
        residual = deconfounded(parts)
    except Confounded as error:
        undefined = dict.fromkeys(error.indices, CONFOUNDED)
        models = models.without(undefined, measure)
        chosen, parts = with_pixels(models.present)
        residual = deconfounded(parts)
    variables = _ratios(residual, images=models.batch_images, rounding=RESIDUAL_ROUNDING)
    names = [plan.signatures("cka") for plan in models.plans]
    _set_to_one(variables, models.same_layers(names))
    test = models.test(variables["value"][1], measure)
    if test is not None:
        batches = permutation_tests.residual_batches(
            permutation_tests.signature_batches(kept, norms, present=chosen), parts
        )
        variables |= permutation_tests.above_chance(
            test, permutation_tests.permutation_null(test, batches)
        )
    return variables | {UNDEFINED: undefined}


@compare_layers.register
def fit_measure(measure: FitMeasure, models: OpenedModels) -> Variables:
    """Fit every tap to every other, batch by batch."""
    fits = Fits(measure, models.plans, models.recordings())
    shuffles = models.statistics.shuffles(measure)
    found = fits.fit_all(present=models.present, permutations=shuffles, seed=SEED)
    taps = len(models.present)
    models = models.without(found.undefined, measure)
    left = [place for place in range(taps) if place not in found.undefined]
    values, drawn = (each[:, left][:, :, left] for each in (found.values, found.drawn))
    variables = {
        "value": (DIMS, values.mean(axis=0)),
        "parts": (("batch", *DIMS), (values / len(values)).astype(np.float32)),
        **_bounds(mean_interval(values, images=models.batch_images)),
    }
    test = models.test(variables["value"][1], measure)
    if test is not None:
        variables |= permutation_tests.above_chance(test, test.null_of(drawn))
    return variables | {UNDEFINED: found.undefined}


@compare_layers.register
def exact_measure(measure: ExactMeasure, models: OpenedModels) -> Variables:
    """Compare over all images at once, from the recordings."""
    found = exact_cka(
        models.recordings(),
        estimator=measure.estimator,
        kernel=measure.kernel,
        width=measure.width,
        memory=models.statistics.memory,
        present=models.present,
        permutations=models.statistics.shuffles(measure),
        seed=SEED,
    )
    variables = {"value": (DIMS, found.value), **_bounds(found.interval)}
    _set_to_one(variables, models.same_layers([plan.recording for plan in models.plans]))
    test = models.test(found.value, measure)
    if test is not None:
        variables |= permutation_tests.above_chance(test, test.null_of(found.drawn))
    return variables


def _ratios(parts: np.ndarray, *, images: np.ndarray, rounding: float = ROUNDING) -> Variables:
    """Ratios of sums over the batches, and their intervals."""
    return {
        "value": (DIMS, cka_from_hsic(parts, rounding=rounding)),
        "parts": (("batch", *DIMS), parts.astype(np.float32)),
        **_bounds(cell_interval(parts, images=images, rounding=rounding)),
    }


def _set_to_one(variables: Variables, same: np.ndarray) -> None:
    """Set a layer's similarity with itself, and its interval, to exactly 1."""
    for name in ("value", "low", "high"):
        if name in variables:
            variables[name][1][same] = 1.0


def _bounds(interval: tuple[np.ndarray, np.ndarray] | None) -> Variables:
    return {} if interval is None else {"low": (DIMS, interval[0]), "high": (DIMS, interval[1])}
