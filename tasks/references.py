"""What steps hand to each other: names of things in the store, never the things."""

from dataclasses import dataclass
from typing import Any, ClassVar

import xarray as xr

from analysis.similarity.measures import FitMeasure, Measure
from storage import comparisons, pairs
from storage.errors import StorageError
from storage.pairs import Pairs
from storage.store import open_store
from tasks.plans import ModelPlan


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
