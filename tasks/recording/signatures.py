"""What signing is, wherever it happens: a tap's batch of activations in, a vector a measure out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seelike.analysis.similarity import unit
from seelike.analysis.similarity.measures import PairMeasure, TooFewImages, Undefined, pair_measure
from seelike.storage.arrays import signatures
from seelike.storage.arrays.signatures import Signatures
from seelike.storage.store import Store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.recording.activation_errors import at

# By measure: a unit vector float32 and its length.
Signed = Mapping[str, tuple[np.ndarray, float]]


@dataclass(frozen=True)
class SignatureSink:
    """The signatures of one model, one group a measure, written together batch by batch."""

    kept: Mapping[str, Signatures]

    @property
    def name(self) -> str:
        """The digest that locks and messages call it by."""
        return next(iter(self.kept.values())).name

    def missing(self) -> list[int]:
        """The batches that at least one measure lacks, in order."""
        return sorted(set().union(*(one.missing() for one in self.kept.values())))

    def write(self, batch: int, signed: Mapping[str, Signed]) -> None:
        """Keep one batch, ``signed`` by tap, for the measures that lack it."""
        for name, one in self.kept.items():
            if not one.ledger.complete(batch):
                one.write(batch, {tap: vectors[name] for tap, vectors in signed.items()})


def create_signatures(plan: ModelPlan, *, store: Store) -> SignatureSink:
    """Where the signatures of ``plan`` go, made with their metadata if they are new."""
    return SignatureSink(
        {
            name: signatures.create(
                store,
                plan.signed_identity(name),
                taps=[tap.name for tap in plan.taps],
                bounds=plan.bounds,
                length=pair_measure(name).pairs.length,
                attributes={**attributes(plan), "measure": name},
            )
            for name in plan.measures
        }
    )


def attributes(plan: ModelPlan) -> dict[str, Any]:
    """What stands beside the vectors of ``plan``: enough to name its taps without the network."""
    return {
        "model": plan.name,
        "facts": plan.facts,
        "depths": [tap.depth for tap in plan.taps],
        "baseline_of": plan.subject.baseline_of,
    }


def signatures_of(tap: str, activations: np.ndarray, measures: Sequence[str]) -> Signed:
    """The vectors of one batch at ``tap`` (images, *feature), for every measure.

    A measure that is not defined on the activations leaves zeros, and is left out of the tap
    when taps are compared (``seelike.tasks.comparison.undefined``).
    """
    with at(tap):
        return {name: unit(_vector(pair_measure(name), activations)) for name in measures}


def _vector(measure: PairMeasure, activations: np.ndarray) -> np.ndarray:
    try:
        return measure.vector(activations)
    except TooFewImages:
        raise  # So has every tap.
    except Undefined:
        return np.zeros(measure.pairs.length(len(activations)))
