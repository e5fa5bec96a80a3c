"""What is to be recorded of every network: how to load it, its taps, and their identity."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seelike.analysis.networks.layers.layouts import Layout
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.similarity.measures import pair_measure
from seelike.analysis.similarity.nearest.sketches import Projection
from seelike.storage.arrays import recordings, signatures
from seelike.storage.arrays.batches import Bounds, block


@dataclass(frozen=True)
class TrainingOrigin:
    """How a network came by its weights, as far as it is known.

    ``data`` names a data set, ``fraction`` is the part of its training images that was used,
    ``start`` the model that it was fine-tuned from: one of the study, or ``zoo:NAME``.
    """

    data: str | None = None
    fraction: float | None = None
    start: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class StudyModel:
    """One network of a study: how to load it, which taps, and whose untrained twin it is.

    ``patterns`` are None where its taps are not asked for.
    """

    spec: ModelSpec
    patterns: tuple[str, ...] | None
    trained: bool
    baseline_of: str = ""
    origin: TrainingOrigin = TrainingOrigin()

    @property
    def name(self) -> str:
        """Its label in figures, tables and task runs."""
        return self.spec.name


UNKNOWN = Layout("other")


@dataclass(frozen=True)
class TapPlan:
    """One tap of a surveyed network: its name, reduced shape per image, and depth (0 to 1).

    ``layout`` tells the axes of the features before any reduction.
    """

    name: str
    shape: tuple[int, ...]
    depth: float
    layout: Layout = UNKNOWN


@dataclass(frozen=True)
class ModelPlan:
    """A surveyed network: what is to be recorded of it, and the identity of the result."""

    subject: StudyModel
    identity: dict[str, Any]
    taps: tuple[TapPlan, ...]
    bounds: tuple[Bounds, ...]
    batch: int
    reduction: str
    facts: dict[str, Any]
    # Those that sign; and whether another one reads the recording itself.
    measures: tuple[str, ...] = ("cka",)
    reads_activations: bool = False

    @property
    def name(self) -> str:
        """The model's name."""
        return self.subject.name

    def signed_identity(self, measure: str) -> dict[str, Any]:
        """The identity of its signatures for ``measure``; CKA's are named as the recording is."""
        return self.identity if measure == "cka" else {**self.identity, "measure": measure}

    def signatures(self, measure: str) -> str:
        """The digest of its signatures for ``measure``, one of ``measures``."""
        return signatures.name(self.signed_identity(measure))

    @property
    def recording(self) -> str:
        """The digest of its recording."""
        return recordings.name(self.identity)

    @property
    def images(self) -> int:
        """How many images are recorded."""
        return self.bounds[-1][1]

    @property
    def batch_images(self) -> tuple[int, ...]:
        """How many images each batch has."""
        return tuple(stop - start for start, stop in self.bounds)

    @property
    def activation_bytes(self) -> int:
        """Bytes of all activations in float32, whole chunks, as they are on disk."""
        sizes = [4 * math.prod(tap.shape) for tap in self.taps]
        rows = block(self.batch, bytes_per_image=max(sizes))
        return math.ceil(self.images / rows) * rows * sum(sizes)

    @property
    def signature_bytes(self) -> int:
        """Bytes of the signatures of all measures in float32."""
        longest = max(stop - start for start, stop in self.bounds)
        numbers = sum(pair_measure(name).pairs.length(longest) for name in self.measures)
        return 4 * len(self.taps) * len(self.bounds) * numbers


# The one that nearest layers, and sketches, are of.
MEASURE = "cka"


def sketch_identity(signed: Mapping[str, Any], projection: Projection) -> dict[str, Any]:
    """The identity of the sketches of signatures of the identity ``signed``."""
    return {**signed, "sketch": projection.identity()}
