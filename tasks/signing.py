"""What signing is, wherever it happens: a tap's batch of activations in, a vector a measure out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.errors import AnalysisError
from analysis.similarity import NonFinite, unit
from analysis.similarity.measures import PairMeasure, TooFewImages, Undefined, pair_measure
from storage import signatures
from storage.images import ImageSet
from storage.signatures import Signatures
from storage.store import Store
from tasks.plans import ModelPlan

# The one that nearest layers, and sketches, are of.
MEASURE = "cka"

# By measure: a unit vector float32 and its length.
Signed = Mapping[str, tuple[np.ndarray, float]]


@dataclass(frozen=True)
class Signing:
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


def signing(plan: ModelPlan, *, store: Store) -> Signing:
    """Where the signatures of ``plan`` go, made with their metadata if they are new."""
    return Signing(
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


def sign(tap: str, activations: np.ndarray, measures: Sequence[str]) -> Signed:
    """The vectors of one batch at ``tap`` (images, *feature), for every measure.

    A measure that is not defined on the activations leaves zeros, and is left out of the tap
    when taps are compared (``tasks.undefined``).
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


class Unsuited(AnalysisError):
    """Activations of ``tap`` are not what a measure needs."""

    def __init__(self, tap: str, why: str) -> None:
        super().__init__(f"{tap}: {why}")


@contextmanager
def at(tap: str) -> Iterator[None]:
    """Say at which tap activations are not finite, or not what a measure needs."""
    try:
        yield
    except NonFinite as error:
        raise NonFinite(error.row, tap) from error
    except AnalysisError as error:
        raise Unsuited(tap, str(error)) from error


@contextmanager
def naming(model: str, images: ImageSet, start: int) -> Iterator[None]:
    """Say of which model activations are unfit, and for which image; ``start`` is the batch's."""
    try:
        yield
    except NonFinite as error:
        raise AnalysisError(
            f"activations of {error.tap} in {model} are not finite, first for image "
            f"{images.ids[start + error.row]}; leave the tap or the image out, or use float32"
        ) from error
    except Unsuited as error:
        raise AnalysisError(f"{model}, tap {error}") from error
