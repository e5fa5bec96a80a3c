"""How each kind of measure is computed for all pairs of taps: its value, interval and null."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from seelike.analysis.similarity.significance.permutation_tests import PermutationTest
from seelike.storage.arrays.recordings import Recording, open_recording
from seelike.storage.arrays.signatures import Signatures, open_signatures
from seelike.storage.images import ImageSet
from seelike.storage.store import Store
from seelike.tasks.comparison import fits as fit
from seelike.tasks.comparison import permutation_tests
from seelike.tasks.comparison.confounder import signed_images
from seelike.tasks.comparison.exact import exact_cka
from seelike.tasks.comparison.signature_products import products, shares
from seelike.tasks.comparison.taps import labels
from seelike.tasks.comparison.undefined import places_left, undefined_signatures
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.settings import Statistics

# Of the permutations.
SEED = 0
DIMS = ("tap_a", "tap_b")
# Beside the variables: the reason by place of each tap that they leave out.
UNDEFINED = "undefined"
CONFOUNDED = (
    "the images' own pixels explain all of its similarity, so that nothing is left to compare; "
    "use plain CKA"
)

Variables = dict[str, Any]


@dataclass(frozen=True)
class OpenedModels:
    """The signed models of a study, opened, and which of their taps vary over the images."""

    store: Store
    plans: list[ModelPlan]
    images: ImageSet
    present: np.ndarray
    statistics: Statistics

    def signatures(self, name: str) -> list[Signatures]:
        """Every model's signatures for one measure."""
        return [open_signatures(self.store, plan.signatures(name)) for plan in self.plans]

    @property
    def batch_images(self) -> np.ndarray:
        """How many images each batch has, (batches,)."""
        return np.array(self.plans[0].batch_images)

    def recordings(self) -> list[Recording]:
        """Every model's recording."""
        return [open_recording(self.store, plan.recording) for plan in self.plans]

    def unsigned(self, measure: PairMeasure, norms: np.ndarray) -> dict[int, str]:
        """By place the taps that could not be signed for ``measure`` in a batch, and why.

        ``norms`` (batches, all taps) are the lengths of their signatures.
        """
        if measure.name == "cka":
            return {}
        linear = np.concatenate([one.lengths() for one in self.signatures("cka")]).T
        return undefined_signatures(
            norms[:, self.present], linear[:, self.present], measure=measure
        )

    def same_layers(self, kept: Sequence[str]) -> np.ndarray:
        """Whether two taps are one layer of one network that stands in the study twice, (T, T).

        ``kept`` names what the store keeps of each model: copies of a network have one name.
        """
        every = [
            (name, tap) for name, plan in zip(kept, self.plans, strict=True) for tap in plan.taps
        ]
        numbers = {layer: number for number, layer in enumerate(dict.fromkeys(every))}
        own = np.array([numbers[layer] for layer in every])[self.present]
        return np.asarray(own[:, None] == own)

    def without(self, undefined: Mapping[int, str], measure: Measure) -> "OpenedModels":
        """The same without the taps at these places, on which ``measure`` is not defined.

        Raises ``AnalysisError`` where no tap is left.
        """
        if not undefined:
            return self
        each = labels(self.plans, self.present)
        names = [f"{m}: {tap}" for m, tap in zip(each["model"], each["tap"], strict=True)]
        return replace(
            self, present=self.present[places_left(names, undefined, title=measure.title)]
        )

    def test(self, observed: np.ndarray, measure: Measure) -> PermutationTest | None:
        """The permutation test of what was ``observed`` by ``measure``; None if none is asked."""
        count = self.statistics.shuffles(measure)
        if not count:
            return None
        model = labels(self.plans, self.present)["model"]
        return PermutationTest(observed, model, count, SEED, symmetric=measure.symmetric)


def pair_measure(subjects: OpenedModels, measure: PairMeasure, name: str) -> Variables:
    """By signatures: cosines batch by batch, and shuffled signatures."""
    kept = subjects.signatures(name)
    cosines, norms = products(kept)
    undefined = subjects.unsigned(measure, norms)
    subjects = subjects.without(undefined, measure)
    present = subjects.present
    parts = shares(cosines[:, present][:, :, present], norms[:, present])
    variables = _ratios(parts, images=subjects.batch_images)
    _set_to_one(variables, subjects.same_layers([plan.signatures(name) for plan in subjects.plans]))
    test = subjects.test(variables["value"][1], measure)
    if test is not None:
        batches = permutation_tests.signed(kept, norms, present=present, pairs=measure.pairs)
        null = permutation_tests.null_of(test, batches, pairs=measure.pairs)
        variables |= permutation_tests.above_chance(test, null)
    return variables | {UNDEFINED: undefined}


def deconfounded_measure(subjects: OpenedModels, measure: ResidualMeasure, name: str) -> Variables:
    """By the signatures of CKA without what the images' own explain of them."""
    del name
    pixels = signed_images(subjects.plans[0], subjects.images, store=subjects.store)
    kept = [*subjects.signatures("cka"), pixels]
    cosines, norms = products(kept)

    def with_pixels(present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.array([*present, norms.shape[1] - 1])
        return chosen, shares(cosines[:, chosen][:, :, chosen], norms[:, chosen])

    chosen, parts = with_pixels(subjects.present)
    undefined: dict[int, str] = {}
    try:
        residual = deconfounded(parts)
    except Confounded as error:
        undefined = dict.fromkeys(error.indices, CONFOUNDED)
        subjects = subjects.without(undefined, measure)
        chosen, parts = with_pixels(subjects.present)
        residual = deconfounded(parts)
    variables = _ratios(residual, images=subjects.batch_images, rounding=RESIDUAL_ROUNDING)
    signed = [plan.signatures("cka") for plan in subjects.plans]
    _set_to_one(variables, subjects.same_layers(signed))
    test = subjects.test(variables["value"][1], measure)
    if test is not None:
        batches = permutation_tests.residuals(
            permutation_tests.signed(kept, norms, present=chosen), parts
        )
        variables |= permutation_tests.above_chance(test, permutation_tests.null_of(test, batches))
    return variables | {UNDEFINED: undefined}


def fit_measure(subjects: OpenedModels, measure: FitMeasure, name: str) -> Variables:
    """By fits of every tap to every other, batch by batch."""
    del name
    fits = fit.Fits(measure, subjects.plans, subjects.recordings(), subjects.images)
    shuffles = subjects.statistics.shuffles(measure)
    found = fits.fitted(present=subjects.present, permutations=shuffles, seed=SEED)
    taps = len(subjects.present)
    subjects = subjects.without(found.undefined, measure)
    left = [place for place in range(taps) if place not in found.undefined]
    values, drawn = (each[:, left][:, :, left] for each in (found.values, found.drawn))
    variables = {
        "value": (DIMS, values.mean(axis=0)),
        "parts": (("batch", *DIMS), (values / len(values)).astype(np.float32)),
        **_bounds(mean_interval(values, images=subjects.batch_images)),
    }
    test = subjects.test(variables["value"][1], measure)
    if test is not None:
        variables |= permutation_tests.above_chance(test, test.null_of(drawn))
    return variables | {UNDEFINED: found.undefined}


def exact_measure(subjects: OpenedModels, measure: ExactMeasure, name: str) -> Variables:
    """Over all images at once, from the recordings."""
    del name
    found = exact_cka(
        subjects.recordings(),
        estimator=measure.estimator,
        kernel=measure.kernel,
        width=measure.width,
        memory=subjects.statistics.memory,
        present=subjects.present,
        permutations=subjects.statistics.shuffles(measure),
        seed=SEED,
    )
    variables = {"value": (DIMS, found.value), **_bounds(found.interval)}
    _set_to_one(variables, subjects.same_layers([plan.recording for plan in subjects.plans]))
    test = subjects.test(found.value, measure)
    if test is not None:
        variables |= permutation_tests.above_chance(test, test.null_of(found.drawn))
    return variables


WAYS: dict[type, Callable[[OpenedModels, Any, str], Variables]] = {
    PairMeasure: pair_measure,
    ResidualMeasure: deconfounded_measure,
    FitMeasure: fit_measure,
    ExactMeasure: exact_measure,
}


def _ratios(parts: np.ndarray, *, images: np.ndarray, rounding: float = ROUNDING) -> Variables:
    """Ratios of sums over the batches, and their intervals."""
    return {
        "value": (DIMS, cka_from_hsic(parts, rounding=rounding)),
        "parts": (("batch", *DIMS), parts.astype(np.float32)),
        **_bounds(cell_interval(parts, images=images, rounding=rounding)),
    }


def _set_to_one(variables: Variables, same: np.ndarray) -> None:
    """A layer's similarity with itself and its interval: exactly 1."""
    for name in ("value", "low", "high"):
        if name in variables:
            variables[name][1][same] = 1.0


def _bounds(interval: tuple[np.ndarray, np.ndarray] | None) -> Variables:
    return {} if interval is None else {"low": (DIMS, interval[0]), "high": (DIMS, interval[1])}
