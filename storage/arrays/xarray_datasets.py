"""Datasets of results: xarray Datasets in Zarr, named by the digest of what determines them."""

from typing import Any

import numpy as np
import xarray as xr
import zarr

from seelike.storage.digest import digest
from seelike.storage.errors import StorageError
from seelike.storage.store import Store

KIND = "comparisons"
# Single measures, from which comparisons are joined.
MEASURES = "measures"
# One analysis of one model per entry.
ANATOMY = "anatomy"
# All probes of one model per entry.
PROBES = "probes"
# Similarity of whole models and a map of their layers, from one comparison per entry.
MAPS = "maps"


def name(identity: dict[str, Any], *, kind: str = KIND) -> str:
    """Compute the digest of the dataset of ``identity``."""
    return digest({"kind": kind, **identity})


def exists(store: Store, comparison: str, *, kind: str = KIND) -> bool:
    """Whether the dataset exists; it exists whole or not at all."""
    return store.holds(kind, comparison)


def write(store: Store, comparison: str, dataset: xr.Dataset, *, kind: str = KIND) -> None:
    """Write ``dataset`` under the digest ``comparison``, whole or not at all."""
    labelled = as_kept(dataset)
    with store.lock(comparison):
        if not exists(store, comparison, kind=kind):
            with store.place.atomic_group(store.key(kind, comparison)) as draft:
                labelled.to_zarr(draft, mode="w", consolidated=False, zarr_format=3)


def as_kept(dataset: xr.Dataset) -> xr.Dataset:
    """Convert ``dataset`` to the dtypes that Zarr specifies."""
    # Strings of variable length have no Zarr specification under xarray's default dtype.
    strings = {
        key: coordinate.astype(np.dtypes.StringDType())
        for key, coordinate in dataset.coords.items()
        if coordinate.dtype.kind in "UO"
    }
    return dataset.assign_coords(strings)


def attributes(store: Store, name: str, *, kind: str = KIND) -> dict[str, Any]:
    """Read the attributes of a dataset alone, without its arrays; errors as ``read``."""
    _require(store, name, kind=kind)
    return dict(zarr.open_group(store.place.zarr_store(store.key(kind, name)), mode="r").attrs)


def read(store: Store, comparison: str, *, kind: str = KIND) -> xr.Dataset:
    """Open a dataset by digest, lazily but for its coordinates.

    Args:
        store: The store.
        comparison: Digest of the dataset.
        kind: Its kind.

    Raises:
        StorageError: It does not exist.
    """
    _require(store, comparison, kind=kind)
    group = store.place.zarr_store(store.key(kind, comparison))
    dataset: xr.Dataset = xr.open_zarr(group, consolidated=False)
    # Lazy labels would give lazy masks, which cannot select.
    return dataset.assign_coords({name: one.load() for name, one in dataset.coords.items()})


def _require(store: Store, name: str, *, kind: str) -> None:
    if not exists(store, name, kind=kind):
        raise StorageError(f"comparison {name[:12]} is not in {store.url}; run its study again")
