"""What steps hand to each other: names of things in the store, never the things."""

from dataclasses import dataclass
from typing import ClassVar

import xarray as xr

from seelike.analysis.claims.requirements import AvailableModels
from seelike.analysis.claims.roles import role_assignments
from seelike.storage.arrays import tap_pairs, xarray_datasets
from seelike.storage.arrays.tap_pairs import Pairs
from seelike.storage.errors import StorageError
from seelike.storage.store import open_store
from seelike.tasks.planning.plans import ModelPlan


@dataclass(frozen=True)
class SignaturesResult:
    """Complete signatures of one model in a store, and how many batches of them are new."""

    plan: ModelPlan
    recorded: int


@dataclass(frozen=True)
class ComparisonResult:
    """A comparison in a store; what ``compare`` returns. ``recorded`` batches of it are new."""

    store: str
    name: str
    report: str | None = None
    recorded: int = 0

    @property
    def url(self) -> str:
        """The comparison's Zarr group, for ``xarray.open_zarr``."""
        return open_store(self.store).where(xarray_datasets.KIND, self.name)

    def open(self) -> xr.Dataset:
        """The comparison as an xarray Dataset, opened lazily."""
        return xarray_datasets.read(open_store(self.store), self.name)


@dataclass(frozen=True)
class PairsResult:
    """All pairs of very many taps in a store, in blocks, of which ``computed`` are new."""

    store: str
    name: str
    computed: int = 0

    @property
    def url(self) -> str:
        """The Zarr group, for ``xarray.open_zarr``."""
        return open_store(self.store).where(tap_pairs.KIND, self.name)

    def blocks(self) -> Pairs:
        """The same, to be read by rows."""
        return tap_pairs.open_pairs(open_store(self.store), self.name)

    def open(self) -> xr.Dataset:
        """The same as an xarray Dataset, opened lazily."""
        return self.blocks().dataset()


@dataclass(frozen=True)
class AnalysisResult:
    """One analysis of one model: its digest in a store, or the ``missing_part``.

    ``out_of_range``: it has the part, but not what the study chose of it.
    """

    plan: ModelPlan
    analysis: str
    name: str = ""
    missing_part: str = ""
    out_of_range: bool = False
    computed: bool = False


@dataclass(frozen=True)
class AnatomyResult:
    """What was looked into, in a store; what ``anatomy`` returns."""

    store: str
    found: tuple[AnalysisResult, ...]
    report: str | None = None
    kind: ClassVar[str] = xarray_datasets.ANATOMY

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
        return xarray_datasets.read(open_store(self.store), name, kind=self.kind)

    def _one(self, model: str, analysis: str) -> AnalysisResult:
        for one in self.found:
            if (one.plan.name, one.analysis) == (model, analysis) and one.name:
                return one
        there = ", ".join(f"{one.analysis} of {one.plan.name}" for one in self.found if one.name)
        raise StorageError(f"{analysis!r} of {model!r} is not there; there are: {there}")


@dataclass(frozen=True)
class ProbesResult(AnatomyResult):
    """The probes of every model of a study, in a store; what ``probe`` returns."""

    kind: ClassVar[str] = xarray_datasets.PROBES

    def url(self, model: str, analysis: str = xarray_datasets.PROBES) -> str:
        """The Zarr group of one model's probes, for ``xarray.open_zarr``."""
        return super().url(model, analysis)

    def open(self, model: str, analysis: str = xarray_datasets.PROBES) -> xr.Dataset:
        """One model's probes as an xarray Dataset, opened lazily; errors as any ``open``."""
        return super().open(model, analysis)


@dataclass(frozen=True)
class MapResult:
    """What ``map`` returns: models' similarities and a map, in a store, made of all pairs."""

    store: str
    name: str
    pairs: PairsResult
    report: str | None = None
    computed: bool = False

    @property
    def url(self) -> str:
        """The map's Zarr group, for ``xarray.open_zarr``."""
        return open_store(self.store).where(xarray_datasets.MAPS, self.name)

    def open(self) -> xr.Dataset:
        """Models' similarities and the map as an xarray Dataset, opened lazily."""
        return xarray_datasets.read(open_store(self.store), self.name, kind=xarray_datasets.MAPS)


@dataclass(frozen=True)
class ReproductionResult:
    """What `reproduce` returns: the comparisons, the anatomy, the probes, and the report of all.

    ``transfer`` are the probes on a second image set; ``unprobed`` says why there are none.
    """

    store: str
    available: AvailableModels
    comparison: ComparisonResult
    fine: ComparisonResult | None
    anatomy: AnatomyResult
    probes: ProbesResult | None = None
    transfer: ProbesResult | None = None
    unprobed: str = ""
    report: str | None = None

    @property
    def roles(self) -> list[list[str]]:
        """The models that the claims on families are put to."""
        return role_assignments(self.available)


@dataclass(frozen=True)
class SketchesResult:
    """Complete sketches of one model in a store, and how many batches were recorded for them."""

    plan: ModelPlan
    name: str
    recorded: int
