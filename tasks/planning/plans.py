"""Plans: how to load each network, what is recorded of it, and the identity of the result."""

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
    """The training of a network, as far as it is known.

    Attributes:
        data: The data set.
        fraction: The share of its training images that was used, 0 to 1.
        start: The model that it was fine-tuned from: one of the study, or ``zoo:NAME``.
        seed: The seed.
    """

    data: str | None = None
    fraction: float | None = None
    start: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class StudyModel:
    """One network of a study.

    Attributes:
        spec: How to load it.
        patterns: Patterns that choose its taps; None where a flow needs no taps.
        trained: Whether it has trained weights.
        baseline_of: The model whose untrained baseline it is; empty for the study's own models.
        origin: How it was trained.
    """

    spec: ModelSpec
    patterns: tuple[str, ...] | None
    trained: bool
    baseline_of: str = ""
    origin: TrainingOrigin = TrainingOrigin()

    @property
    def name(self) -> str:
        """The model's name in figures, tables and task runs."""
        return self.spec.name


UNKNOWN = Layout("other")


@dataclass(frozen=True)
class TapPlan:
    """One tap of a surveyed network.

    Attributes:
        name: The tap's name.
        shape: Its reduced shape per image.
        depth: From 0 at the network's input to 1 at its output.
        layout: Meaning of the features' axes before any reduction.
    """

    name: str
    shape: tuple[int, ...]
    depth: float
    layout: Layout = UNKNOWN


@dataclass(frozen=True)
class ModelPlan:
    """A surveyed network: what is recorded of it, and the identity of the result.

    Attributes:
        subject: The network.
        identity: Everything that determines its recording.
        taps: Its taps, in firing order.
        bounds: First image and end of every batch.
        batch: Images per batch.
        reduction: ``flatten``, ``cls``, ``mean`` or ``tokens``.
        facts: What reports say of the network.
        measures: Measures that compare signatures.
        reads_activations: Whether another measure reads the recording itself.
    """

    subject: StudyModel
    identity: dict[str, Any]
    taps: tuple[TapPlan, ...]
    bounds: tuple[Bounds, ...]
    batch: int
    reduction: str
    facts: dict[str, Any]
    measures: tuple[str, ...] = ("cka",)
    reads_activations: bool = False

    @property
    def name(self) -> str:
        """The model's name."""
        return self.subject.name

    def signature_identity(self, measure: str) -> dict[str, Any]:
        """Return the identity of its signatures for a measure; for CKA that of the recording."""
        return self.identity if measure == "cka" else {**self.identity, "measure": measure}

    def signatures(self, measure: str) -> str:
        """Return the digest of its signatures for a measure, one of ``measures``."""
        return signatures.name(self.signature_identity(measure))

    @property
    def recording(self) -> str:
        """The digest of its recording."""
        return recordings.name(self.identity)

    @property
    def images(self) -> int:
        """Number of images recorded."""
        return self.bounds[-1][1]

    @property
    def batch_images(self) -> tuple[int, ...]:
        """Number of images of each batch."""
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


# The measure of nearest layers and of sketches.
MEASURE = "cka"


def sketch_identity(signed: Mapping[str, Any], projection: Projection) -> dict[str, Any]:
    """Return the identity of the sketches of signatures with the identity ``signed``."""
    return {**signed, "sketch": projection.identity()}
