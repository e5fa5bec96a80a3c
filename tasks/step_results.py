"""Results of steps: names of entries in a store, which open when read."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import xarray as xr

from seelike.storage.arrays import tap_pairs
from seelike.storage.arrays.tap_pairs import Pairs
from seelike.storage.store import Store, open_store
from seelike.tasks.planning.plans import ModelPlan


@dataclass(frozen=True)
class SignaturesResult:
    """Complete signatures of one model.

    Attributes:
        plan: The model.
        recorded: How many batches were recorded for them in this run.
    """

    plan: ModelPlan
    recorded: int


@dataclass(frozen=True)
class SketchesResult:
    """Complete sketches of one model.

    Attributes:
        plan: The model.
        name: Their digest.
        recorded: How many batches were recorded for them in this run.
    """

    plan: ModelPlan
    name: str
    recorded: int


@dataclass(frozen=True)
class StoredResult:
    """A result in a store, which is opened once, when something is read of it.

    Pickled without the opened store: another process opens it for itself.

    Attributes:
        store: The store's URL.
    """

    store: str

    @cached_property
    def opened(self) -> Store:
        """The store; ``StorageError`` where it cannot be opened."""
        return open_store(self.store)

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class PairsResult(StoredResult):
    """CKA of all pairs of very many layers, in blocks.

    Attributes:
        store: The store's URL.
        name: Its digest.
        computed: How many blocks were computed in this run.
    """

    name: str
    computed: int = 0

    @property
    def url(self) -> str:
        """The Zarr group, for ``xarray.open_zarr``."""
        return self.opened.where(tap_pairs.KIND, self.name)

    @cached_property
    def blocks(self) -> Pairs:
        """The pairs, to be read by rows."""
        return tap_pairs.open_pairs(self.opened, self.name)

    def open(self) -> xr.Dataset:
        """Open the pairs as an xarray Dataset, read lazily; all blocks have to be there."""
        return self.blocks.dataset()


@dataclass(frozen=True)
class AnalysisResult:
    """One analysis of one model.

    Attributes:
        plan: The model.
        analysis: The analysis.
        name: The result's digest; empty for a model that lacks the part.
        missing_part: Why the model lacks the part; empty where it has it.
        out_of_range: Whether it has the part, but not the block, head or token that was chosen.
        computed: Whether it was computed in this run.
    """

    plan: ModelPlan
    analysis: str
    name: str = ""
    missing_part: str = ""
    out_of_range: bool = False
    computed: bool = False
