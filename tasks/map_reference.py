"""What a map is asked for, and what it is: a reference to it in a store."""

from dataclasses import dataclass
from typing import Any

import xarray as xr

from storage import comparisons
from storage.store import open_store
from tasks.references import PairsReference


@dataclass(frozen=True)
class MapDesign:
    """How models and a map are made of all pairs of layers.

    ``window`` is how far in depth best matches may be, ``method`` mds or umap. ``memory`` in
    bytes may be held beside; it changes no result.
    """

    window: float
    method: str
    permutations: int
    skip_degenerate: bool
    memory: int

    def identity(self) -> dict[str, Any]:
        """What of it determines a result."""
        return {
            "window": self.window,
            "method": self.method,
            "permutations": self.permutations,
            "skip_degenerate": self.skip_degenerate,
        }


@dataclass(frozen=True)
class MapReference:
    """What ``map`` returns: models' similarities and a map, in a store, made of all pairs."""

    store: str
    name: str
    pairs: PairsReference
    report: str | None = None
    computed: bool = False

    @property
    def url(self) -> str:
        """The map's Zarr group, for ``xarray.open_zarr``."""
        return open_store(self.store).where(comparisons.MAPS, self.name)

    def open(self) -> xr.Dataset:
        """Models' similarities and the map as an xarray Dataset, opened lazily."""
        return comparisons.read(open_store(self.store), self.name, kind=comparisons.MAPS)
