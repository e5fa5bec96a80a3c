"""How each kind of measure is computed for all pairs of taps: its value, interval and null."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.similarity import bootstrap, cka_from_hsic, mean_interval
from analysis.similarity.measures import (
    ExactMeasure,
    FitMeasure,
    Measure,
    PairMeasure,
    ResidualMeasure,
    deconfounded,
)
from analysis.similarity.nulls import PermutationTest
from storage.images import ImageSet
from storage.recordings import Recording, open_recording
from storage.signatures import Signatures, open_signatures
from storage.store import Store
from tasks import fit, nulls
from tasks.compared_taps import labels
from tasks.confounder import signed_images
from tasks.exact import exact_cka
from tasks.pairs import products, shares
from tasks.plans import ModelPlan
from tasks.references import Statistics

REPEATS, LEVEL, SEED = 1000, 0.95, 0
DIMS = ("tap_a", "tap_b")

Variables = dict[str, Any]


@dataclass(frozen=True)
class Subjects:
    """The signed models of a study, opened, and which of their taps vary over the images."""

    store: Store
    plans: list[ModelPlan]
    images: ImageSet
    present: np.ndarray
    statistics: Statistics

    def signatures(self, name: str) -> list[Signatures]:
        """Every model's signatures for one measure."""
        return [open_signatures(self.store, plan.signatures(name)) for plan in self.plans]

    def recordings(self) -> list[Recording]:
        """Every model's recording."""
        return [open_recording(self.store, plan.recording) for plan in self.plans]

    def test(self, observed: np.ndarray, measure: Measure) -> PermutationTest | None:
        """The permutation test of what was ``observed`` by ``measure``; None if none is asked."""
        count = self.statistics.shuffles(measure)
        if not count:
            return None
        model = labels(self.plans, self.present)["model"]
        return PermutationTest(observed, model, count, SEED, symmetric=measure.symmetric)


def by_pairs(subjects: Subjects, measure: PairMeasure, name: str) -> Variables:
    """By signatures: cosines batch by batch, and shuffled signatures."""
    kept, present = subjects.signatures(name), subjects.present
    cosines, norms = products(kept)
    variables = _resampled(shares(cosines[:, present][:, :, present], norms[:, present]))
    test = subjects.test(variables["value"][1], measure)
    if test is not None:
        batches = nulls.signed(kept, norms, present=present, pairs=measure.pairs)
        null = nulls.null_of(test, batches, pairs=measure.pairs)
        variables |= nulls.above_chance(test, null)
    return variables


def by_residuals(subjects: Subjects, measure: ResidualMeasure, name: str) -> Variables:
    """By the signatures of CKA without what the images' own explain of them."""
    del name
    pixels = signed_images(subjects.plans[0], subjects.images, store=subjects.store)
    kept = [*subjects.signatures("cka"), pixels]
    cosines, norms = products(kept)
    chosen = np.array([*subjects.present, norms.shape[1] - 1])
    parts = shares(cosines[:, chosen][:, :, chosen], norms[:, chosen])
    variables = _resampled(deconfounded(parts))
    test = subjects.test(variables["value"][1], measure)
    if test is not None:
        batches = nulls.residuals(nulls.signed(kept, norms, present=chosen), parts)
        variables |= nulls.above_chance(test, nulls.null_of(test, batches))
    return variables


def by_fits(subjects: Subjects, measure: FitMeasure, name: str) -> Variables:
    """By fits of every tap to every other, batch by batch."""
    del name
    fits = fit.Fits(measure, subjects.plans, subjects.recordings(), subjects.images)
    shuffles = subjects.statistics.shuffles(measure)
    values, drawn = fits.values(present=subjects.present, permutations=shuffles, seed=SEED)
    variables = {
        "value": (DIMS, values.mean(axis=0)),
        "parts": (("batch", *DIMS), (values / len(values)).astype(np.float32)),
        **_bounds(mean_interval(values, repeats=REPEATS, level=LEVEL, seed=SEED)),
    }
    test = subjects.test(variables["value"][1], measure)
    if test is not None:
        variables |= nulls.above_chance(test, test.null_of(drawn))
    return variables


def by_all(subjects: Subjects, measure: ExactMeasure, name: str) -> Variables:
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
    test = subjects.test(found.value, measure)
    if test is not None:
        variables |= nulls.above_chance(test, test.null_of(found.drawn))
    return variables


WAYS: dict[type, Callable[[Subjects, Any, str], Variables]] = {
    PairMeasure: by_pairs,
    ResidualMeasure: by_residuals,
    FitMeasure: by_fits,
    ExactMeasure: by_all,
}


def _resampled(parts: np.ndarray) -> Variables:
    """Ratios of sums over the batches, and their intervals."""
    return {
        "value": (DIMS, cka_from_hsic(parts)),
        "parts": (("batch", *DIMS), parts.astype(np.float32)),
        **_bounds(bootstrap(parts, repeats=REPEATS, level=LEVEL, seed=SEED)),
    }


def _bounds(interval: tuple[np.ndarray, np.ndarray] | None) -> Variables:
    return {} if interval is None else {"low": (DIMS, interval[0]), "high": (DIMS, interval[1])}
