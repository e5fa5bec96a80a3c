"""Results that flows return: names of entries in a store, which open when read."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import xarray as xr

from seelike.analysis.claims.requirements import AvailableModels
from seelike.analysis.claims.roles import role_assignments
from seelike.storage.arrays import xarray_datasets
from seelike.storage.errors import StorageError
from seelike.tasks.step_results import AnalysisResult, PairsResult, StoredResult


@dataclass(frozen=True)
class ComparisonResult(StoredResult):
    """A comparison; what ``compare`` returns.

    Attributes:
        store: The store's URL.
        name: The comparison's digest.
        report: The path of the report; None without one.
        recorded: How many batches were recorded for it in this run.
    """

    name: str
    report: str | None = None
    recorded: int = 0

    @property
    def url(self) -> str:
        """The comparison's Zarr group, for ``xarray.open_zarr``."""
        return self.opened.where(xarray_datasets.KIND, self.name)

    def open(self) -> xr.Dataset:
        """Open the comparison as an xarray Dataset, read lazily."""
        return xarray_datasets.read(self.opened, self.name)


@dataclass(frozen=True)
class AnatomyResult(StoredResult):
    """Analyses of all models of a study; what ``anatomy`` returns.

    Attributes:
        store: The store's URL.
        found: Every analysis of every model.
        report: The path of the report; None without one.
    """

    found: tuple[AnalysisResult, ...]
    report: str | None = None
    kind: ClassVar[str] = xarray_datasets.ANATOMY

    @property
    def computed(self) -> int:
        """Number of analyses computed in this run."""
        return sum(one.computed for one in self.found)

    def url(self, model: str, analysis: str) -> str:
        """Return the Zarr group of one analysis of one model, for ``xarray.open_zarr``."""
        return self.opened.where(self.kind, self._one(model, analysis).name)

    def open(self, model: str, analysis: str) -> xr.Dataset:
        """Open one analysis of one model as an xarray Dataset, read lazily.

        Raises ``StorageError`` for an analysis that was not run, or whose part the model lacks.
        """
        name = self._one(model, analysis).name
        return xarray_datasets.read(self.opened, name, kind=self.kind)

    def _one(self, model: str, analysis: str) -> AnalysisResult:
        for one in self.found:
            if (one.plan.name, one.analysis) == (model, analysis) and one.name:
                return one
        there = ", ".join(f"{one.analysis} of {one.plan.name}" for one in self.found if one.name)
        raise StorageError(f"{analysis!r} of {model!r} is not there; there are: {there}")


@dataclass(frozen=True)
class ProbesResult(AnatomyResult):
    """Probes of all models of a study; what ``probe`` returns."""

    kind: ClassVar[str] = xarray_datasets.PROBES

    def url(self, model: str, analysis: str = xarray_datasets.PROBES) -> str:
        """Return the Zarr group of one model's probes, for ``xarray.open_zarr``."""
        return super().url(model, analysis)

    def open(self, model: str, analysis: str = xarray_datasets.PROBES) -> xr.Dataset:
        """Open one model's probes as an xarray Dataset, read lazily."""
        return super().open(model, analysis)


@dataclass(frozen=True)
class MapResult(StoredResult):
    """Similarities of models and a map of their layers; what ``map`` returns.

    Attributes:
        store: The store's URL.
        name: The map's digest.
        pairs: The pairs that it was computed from.
        report: The path of the report; None without one.
        computed: Whether it was computed in this run.
    """

    name: str
    pairs: PairsResult
    report: str | None = None
    computed: bool = False

    @property
    def url(self) -> str:
        """The map's Zarr group, for ``xarray.open_zarr``."""
        return self.opened.where(xarray_datasets.MAPS, self.name)

    def open(self) -> xr.Dataset:
        """Open models' similarities and the map as an xarray Dataset, read lazily."""
        return xarray_datasets.read(self.opened, self.name, kind=xarray_datasets.MAPS)


@dataclass(frozen=True)
class ReproductionResult:
    """Results of a reproduction of the study; what ``reproduce`` returns.

    Attributes:
        store: The store's URL.
        available: The models, and what claims need of them.
        comparison: The comparison of blocks.
        fine: The comparison of the paper's layers; None without one.
        anatomy: The analyses.
        probes: The probes; None without any.
        transfer: The probes on a second image set; None without one.
        unprobed: Why there are no probes; empty where there are.
        report: The path of the report; None without one.
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
        """The models that claims on families are tested on."""
        return role_assignments(self.available)


@dataclass(frozen=True)
class TrainingResult:
    """Networks that were trained; what ``train`` returns.

    Attributes:
        checkpoints: Their checkpoints, each with its card beside it.
        report: The path of the report.
    """

    checkpoints: tuple[Path, ...]
    report: str
