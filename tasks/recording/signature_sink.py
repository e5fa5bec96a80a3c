"""Keeping signatures: computed in the forward hooks, written batch by batch in the background."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from torch import Tensor

from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.recording.device_gram import DeviceGram
from seelike.analysis.similarity.measures import pair_measure
from seelike.storage.arrays import signatures
from seelike.storage.arrays.signatures import Signatures
from seelike.storage.store import Store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.recording.background_writer import BackgroundWriter
from seelike.tasks.recording.signatures import Vectors, attributes, finish_on_host, hook_summary


class VectorSink(ABC):
    """Computes the signatures of every batch in the hooks; a subclass writes them.

    With ``missing`` and ``name`` of a subclass it is a ``Sink``.
    """

    def __init__(self, measures: Sequence[str]) -> None:
        self.measures = tuple(measures)
        self.batch = 0
        self._taken: dict[str, DeviceGram | Vectors] = {}
        self._writer: BackgroundWriter[Mapping[str, Vectors]]

    @abstractmethod
    def write(self, batch: int, vectors: Mapping[str, Vectors]) -> None:
        """Write one batch: the signatures of every tap, by measure."""

    def begin(self, batch: int) -> None:
        """Begin a batch: activations taken next belong to it."""
        self.batch, self._taken = batch, {}

    def take(self, tap: Tap, activations: Tensor) -> None:
        """Reduce one tap's activations to signatures.

        Args:
            tap: The tap.
            activations: float32 (images, *feature) of the whole batch, on the network's device.

        Raises:
            NonFinite: For NaN and infinity, with row and layer.
            UnfitLayer: For fewer images than a measure takes.
        """
        self._taken[tap.name] = hook_summary(tap.name, activations, self.measures)

    def finish(self) -> None:
        """Write the batch while the next one runs.

        Raises ``NonFinite`` where a Gram on a GPU is not finite.
        """
        taken, self._taken = self._taken, {}
        vectors = {tap: finish_on_host(tap, summary) for tap, summary in taken.items()}
        self._writer.submit(self.batch, vectors)

    def __enter__(self) -> Self:
        self._writer = BackgroundWriter(self.write)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)


class SignatureSink(VectorSink):
    """Writes the signatures of one model, one Zarr group per measure, batch by batch (``Sink``)."""

    def __init__(self, kept: Mapping[str, Signatures]) -> None:
        super().__init__(tuple(kept))
        self.kept = kept

    @property
    def name(self) -> str:
        """The digest of the first measure's signatures."""
        return next(iter(self.kept.values())).name

    def missing(self) -> list[int]:
        """Return the batches that at least one measure lacks, in order."""
        return sorted(set().union(*(one.missing() for one in self.kept.values())))

    def write(self, batch: int, vectors: Mapping[str, Vectors]) -> None:
        """Write one batch, for the measures that lack it."""
        for name, one in self.kept.items():
            if not one.ledger.complete(batch):
                one.write(batch, {tap: by_measure[name] for tap, by_measure in vectors.items()})


def create_signatures(plan: ModelPlan, *, store: Store) -> SignatureSink:
    """Create the signatures of ``plan`` with their metadata, or open those that are there."""
    return SignatureSink(
        {
            name: signatures.create(
                store,
                plan.signature_identity(name),
                taps=[tap.name for tap in plan.taps],
                bounds=plan.bounds,
                length=pair_measure(name).pairs.length,
                attributes={**attributes(plan), "measure": name},
            )
            for name in plan.measures
        }
    )
