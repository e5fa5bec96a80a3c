"""What steps hand to each other: names of things in the store, never the things."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import xarray as xr

from analysis.networks.layouts import Layout
from analysis.networks.models import ModelSpec
from analysis.similarity.measures import FitMeasure, Measure, pair_measure
from storage import comparisons, pairs, recordings, signatures
from storage.batches import Bounds, block
from storage.errors import StorageError
from storage.pairs import Pairs
from storage.store import open_store


@dataclass(frozen=True)
class Origin:
    """How a network came by its weights, as far as it is known.

    ``data`` names a data set, ``fraction`` is the part of its training images that was used,
    ``start`` the model that it was fine-tuned from: one of the study, or ``zoo:NAME``.
    """

    data: str | None = None
    fraction: float | None = None
    start: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Subject:
    """One network of a study: how to load it, which taps, and whose untrained twin it is.

    ``patterns`` are None where its taps are not asked for.
    """

    spec: ModelSpec
    patterns: tuple[str, ...] | None
    trained: bool
    baseline_of: str = ""
    origin: Origin = Origin()

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

    subject: Subject
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


@dataclass(frozen=True)
class SignaturesReference:
    """Complete signatures of one model in a store, and how many batches of them are new."""

    plan: ModelPlan
    recorded: int


@dataclass(frozen=True)
class Statistics:
    """What is computed beside the similarities, and how much memory may be used."""

    skip_degenerate: bool = False
    permutations: int = 200
    fit_permutations: int = 20
    memory: int = 4 * 10**9

    def shuffles(self, measure: Measure) -> int:
        """How many permutations ``measure`` gets: fewer where each costs a fit of every pair.

        Twice as many where they give one draw, not two, so that as small a p can be had.
        """
        if not isinstance(measure, FitMeasure):
            return self.permutations
        return min(self.permutations, self.fit_permutations) * (1 if measure.symmetric else 2)

    def identity(self) -> dict[str, Any]:
        """What of it determines a result."""
        return {
            "skip_degenerate": self.skip_degenerate,
            "permutations": self.permutations,
            "fit_permutations": self.fit_permutations,
        }


@dataclass(frozen=True)
class ComparisonReference:
    """A comparison in a store; what ``compare`` returns. ``recorded`` batches of it are new."""

    store: str
    name: str
    report: str | None = None
    recorded: int = 0

    @property
    def url(self) -> str:
        """The comparison's Zarr group, for ``xarray.open_zarr``."""
        return open_store(self.store).where(comparisons.KIND, self.name)

    def open(self) -> xr.Dataset:
        """The comparison as an xarray Dataset, opened lazily."""
        return comparisons.read(open_store(self.store), self.name)


@dataclass(frozen=True)
class PairsReference:
    """All pairs of very many taps in a store, in blocks, of which ``computed`` are new."""

    store: str
    name: str
    computed: int = 0

    @property
    def url(self) -> str:
        """The Zarr group, for ``xarray.open_zarr``."""
        return open_store(self.store).where(pairs.KIND, self.name)

    def blocks(self) -> Pairs:
        """The same, to be read by rows."""
        return pairs.open_pairs(open_store(self.store), self.name)

    def open(self) -> xr.Dataset:
        """The same as an xarray Dataset, opened lazily."""
        return self.blocks().dataset()


@dataclass(frozen=True)
class Chosen:
    """Which parts a study looks at closely: an attention by number, tokens by row and column.

    Without ``tokens`` some are taken that are spread over the grid.
    """

    head_block: int = 0
    tokens: tuple[tuple[int, int], ...] = ()


USUAL = Chosen()


@dataclass(frozen=True)
class Found:
    """One analysis of one model: its digest in a store, or what the model ``lacks`` for it.

    ``beyond``: it has the part, but not what the study chose of it.
    """

    plan: ModelPlan
    analysis: str
    name: str = ""
    lacks: str = ""
    beyond: bool = False
    computed: bool = False


@dataclass(frozen=True)
class AnatomyReference:
    """What was looked into, in a store; what ``anatomy`` returns."""

    store: str
    found: tuple[Found, ...]
    report: str | None = None
    kind: ClassVar[str] = comparisons.ANATOMY

    @property
    def computed(self) -> int:
        """How many analyses are new, and were not in the store already."""
        return sum(one.computed for one in self.found)

    def url(self, model: str, analysis: str) -> str:
        """The Zarr group of one analysis of one model, for ``xarray.open_zarr``."""
        return open_store(self.store).where(self.kind, self._one(model, analysis).name)

    def open(self, model: str, analysis: str) -> xr.Dataset:
        """One analysis of one model as an xarray Dataset, opened lazily.

        Raises ``StorageError`` for what was not looked into, and what the model lacks.
        """
        name = self._one(model, analysis).name
        return comparisons.read(open_store(self.store), name, kind=self.kind)

    def _one(self, model: str, analysis: str) -> Found:
        for one in self.found:
            if (one.plan.name, one.analysis) == (model, analysis) and one.name:
                return one
        there = ", ".join(f"{one.analysis} of {one.plan.name}" for one in self.found if one.name)
        raise StorageError(f"{analysis!r} of {model!r} is not there; there are: {there}")


@dataclass(frozen=True)
class ProbesReference(AnatomyReference):
    """The probes of every model of a study, in a store; what ``probe`` returns."""

    kind: ClassVar[str] = comparisons.PROBES

    def url(self, model: str, analysis: str = comparisons.PROBES) -> str:
        """The Zarr group of one model's probes, for ``xarray.open_zarr``."""
        return super().url(model, analysis)

    def open(self, model: str, analysis: str = comparisons.PROBES) -> xr.Dataset:
        """One model's probes as an xarray Dataset, opened lazily; errors as any ``open``."""
        return super().open(model, analysis)
