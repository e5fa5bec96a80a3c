"""What steps hand to each other: names of things in the store, never the things."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from analysis.networks.models import ModelSpec
from storage import comparisons
from storage.batches import Bounds
from storage.store import open_store


@dataclass(frozen=True)
class Subject:
    """One network of a study: how to load it, which taps, and whose untrained twin it is."""

    spec: ModelSpec
    patterns: tuple[str, ...]
    trained: bool
    baseline_of: str = ""

    @property
    def name(self) -> str:
        """Its label in figures, tables and task runs."""
        return self.spec.name


@dataclass(frozen=True)
class TapPlan:
    """One tap of a surveyed network: its name, reduced shape per image, and depth (0 to 1)."""

    name: str
    shape: tuple[int, ...]
    depth: float


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

    @property
    def name(self) -> str:
        """The model's name."""
        return self.subject.name

    @property
    def images(self) -> int:
        """How many images are recorded."""
        return self.bounds[-1][1]

    @property
    def activation_bytes(self) -> int:
        """Bytes of all activations in float32."""
        sizes = [4] * len(self.taps)
        for i, tap in enumerate(self.taps):
            for n in tap.shape:
                sizes[i] *= n
        return self.images * sum(sizes)

    @property
    def signature_bytes(self) -> int:
        """Bytes of all signatures in float32."""
        pairs = max(stop - start for start, stop in self.bounds)
        return 4 * len(self.taps) * len(self.bounds) * pairs * (pairs - 1) // 2


@dataclass(frozen=True)
class SignaturesReference:
    """Complete signatures of one model in a store, and how many batches of them are new."""

    plan: ModelPlan
    name: str
    recorded: int


@dataclass(frozen=True)
class ComparisonReference:
    """A comparison in a store; what ``compare`` returns. ``recorded`` batches of it are new."""

    store: str
    name: str
    report: Path | None = None
    recorded: int = 0

    @property
    def url(self) -> str:
        """The comparison's Zarr group, for ``xarray.open_zarr``."""
        return str(open_store(self.store).path(comparisons.KIND, self.name))

    def open(self) -> xr.Dataset:
        """The comparison as an xarray Dataset, opened lazily."""
        return comparisons.read(open_store(self.store), self.name)
