"""Models and taps of a comparison: on the same images, varying over them, and their labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.measures import Measure, PairMeasure
from seelike.analysis.similarity.significance.permutation_tests import PermutationTest
from seelike.storage.arrays.recordings import Recording, open_recording
from seelike.storage.arrays.signatures import Signatures, open_signatures
from seelike.storage.images import ImageSet
from seelike.storage.store import Store
from seelike.tasks.comparison.undefined import places_left, undefined_signatures
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.settings import Statistics

# Seed of the permutations.
SEED = 0
# Of the identity of a recording: what makes two of them comparable.
COMPARABLE = {"images": "image set", "batch": "batch size", "reduction": "reduction"}


def check_same_images(identities: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Refuse models recorded on other images, or in other batches, than the first.

    Args:
        identities: The name of each model and the identity of its recording.

    Raises:
        AnalysisError: Naming both models and what differs.
    """
    first_name, first = identities[0]
    for name, identity in identities[1:]:
        for key, words in COMPARABLE.items():
            own, other = (str(one.get(key))[:12] for one in (identity, first))
            if identity.get(key) != first.get(key):
                raise AnalysisError(
                    f"{name} was recorded with {words} {own}, {first_name} with {other}; models "
                    "are compared on the same images in the same batches: record them in one study"
                )


def varying_taps(store: Store, plans: Sequence[ModelPlan], *, skip: bool) -> np.ndarray:
    """Find the taps that vary over the images, on which similarity is defined.

    Args:
        store: The store with the signatures.
        plans: The models.
        skip: Leave out constant taps instead of raising.

    Returns:
        Their indices into all taps of all models, (T,) int.

    Raises:
        AnalysisError: Naming model and tap of constant ones, unless they are skipped.
    """
    kept = [open_signatures(store, plan.signatures("cka")) for plan in plans]
    lengths = np.concatenate([one.lengths() for one in kept])
    present = np.flatnonzero(lengths.any(axis=1))
    constant = left_out_taps(plans, present)
    if constant and not skip:
        raise AnalysisError(
            f"constant over the images, so no similarity is defined: {', '.join(constant)}; "
            "leave such layers out with --skip-degenerate"
        )
    return present


def left_out_taps(plans: Sequence[ModelPlan], present: np.ndarray) -> list[str]:
    """List model and tap of those that are not among the ``present`` indices."""
    every = tap_labels(plans, np.arange(sum(len(plan.taps) for plan in plans)))
    gone = sorted(set(range(len(every["tap"]))) - {int(i) for i in present})
    return [f"{every['model'][i]}: {every['tap'][i]}" for i in gone]


def tap_labels(plans: Sequence[ModelPlan], present: np.ndarray) -> dict[str, list[Any]]:
    """Build the coordinates of the ``present`` taps, by name without the suffix of their axis."""
    every = [(plan, tap) for plan in plans for tap in plan.taps]
    rows = [every[int(i)] for i in present]
    return {
        "model": [plan.name for plan, _ in rows],
        "tap": [tap.name for _, tap in rows],
        "depth": [tap.depth for _, tap in rows],
        "trained": [plan.subject.trained for plan, _ in rows],
        "baseline_of": [plan.subject.baseline_of for plan, _ in rows],
    }


@dataclass(frozen=True)
class OpenedModels:
    """The models of a study with their signatures, and the taps that vary over the images.

    Attributes:
        store: The store.
        plans: The models.
        images: Their image set.
        present: Indices of the taps to compare, into all taps of all models, (T,).
        statistics: Permutations and memory.
        measure_name: The measure as the study calls it, with its setting: ``cka_rbf:0.2``.
    """

    store: Store
    plans: list[ModelPlan]
    images: ImageSet
    present: np.ndarray
    statistics: Statistics
    measure_name: str

    def signatures(self, name: str) -> list[Signatures]:
        """Every model's signatures for one measure."""
        return [open_signatures(self.store, plan.signatures(name)) for plan in self.plans]

    @property
    def batch_images(self) -> np.ndarray:
        """Number of images of each batch, (batches,)."""
        return np.array(self.plans[0].batch_images)

    def recordings(self) -> list[Recording]:
        """Every model's recording."""
        return [open_recording(self.store, plan.recording) for plan in self.plans]

    def undefined_taps(self, measure: PairMeasure, norms: np.ndarray) -> dict[int, str]:
        """Find the taps on which a measure is not defined in some batch.

        Args:
            measure: The measure.
            norms: Lengths of its signatures, (batches, all taps).

        Returns:
            The reason by place.
        """
        if measure.name == "cka":
            return {}
        linear = np.concatenate([one.lengths() for one in self.signatures("cka")]).T
        return undefined_signatures(
            norms[:, self.present], linear[:, self.present], measure=measure
        )

    def same_layers(self, kept: Sequence[str]) -> np.ndarray:
        """Find taps that are one layer of one network that stands in the study twice.

        Args:
            kept: The name in the store of each model's signatures or recording: copies of a
                network have the same.

        Returns:
            (T, T) bool.
        """
        every = [
            (name, tap) for name, plan in zip(kept, self.plans, strict=True) for tap in plan.taps
        ]
        numbers = {layer: number for number, layer in enumerate(dict.fromkeys(every))}
        own = np.array([numbers[layer] for layer in every])[self.present]
        return np.asarray(own[:, None] == own)

    def without(self, undefined: Mapping[int, str], measure: Measure) -> "OpenedModels":
        """Leave out the taps at these places; ``AnalysisError`` where no tap is left."""
        if not undefined:
            return self
        each = tap_labels(self.plans, self.present)
        names = [f"{m}: {tap}" for m, tap in zip(each["model"], each["tap"], strict=True)]
        return replace(
            self, present=self.present[places_left(names, undefined, title=measure.title)]
        )

    def test(self, observed: np.ndarray, measure: Measure) -> PermutationTest | None:
        """Return the permutation test of ``observed`` (T, T); None without permutations."""
        count = self.statistics.shuffles(measure)
        if not count:
            return None
        model = tap_labels(self.plans, self.present)["model"]
        return PermutationTest(observed, model, count, SEED, symmetric=measure.symmetric)
