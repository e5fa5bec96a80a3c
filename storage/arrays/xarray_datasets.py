"""Comparisons: xarray Datasets in Zarr, named by what they were computed from."""

from typing import Any

import numpy as np
import xarray as xr

from seelike.storage.digest import digest
from seelike.storage.errors import StorageError
from seelike.storage.store import Store

KIND = "comparisons"
# One measure each, which comparisons are joined from.
MEASURES = "measures"
# One analysis of one model each.
ANATOMY = "anatomy"
# All probes of one model each.
PROBES = "probes"
# Models, and a map of all their layers, made of one comparison each.
MAPS = "maps"


def name(identity: dict[str, Any], *, kind: str = KIND) -> str:
    """The digest under which the comparison of ``identity`` is kept."""
    return digest({"kind": kind, **identity})


def exists(store: Store, comparison: str, *, kind: str = KIND) -> bool:
    """Whether the comparison of that digest is there; it is there whole or not at all."""
    return store.holds(kind, comparison)


def write(store: Store, comparison: str, dataset: xr.Dataset, *, kind: str = KIND) -> None:
    """Keep ``dataset`` under that digest: drafted beside its place, there whole or not at all."""
    labelled = as_kept(dataset)
    with store.lock(comparison):
        if not exists(store, comparison, kind=kind):
            with store.place.atomic_group(store.key(kind, comparison)) as draft:
                labelled.to_zarr(draft, mode="w", consolidated=False, zarr_format=3)


def as_kept(dataset: xr.Dataset) -> xr.Dataset:
    """``dataset`` as it is written to Zarr."""
    # Strings of variable length have no Zarr specification under xarray's default dtype.
    strings = {
        key: coordinate.astype(np.dtypes.StringDType())
        for key, coordinate in dataset.coords.items()
        if coordinate.dtype.kind in "UO"
    }
    return dataset.assign_coords(strings)


def read(store: Store, comparison: str, *, kind: str = KIND) -> xr.Dataset:
    """The comparison of that digest, opened lazily but for its coordinates, which select.

    Raises ``StorageError`` where there is none.
    """
    if not exists(store, comparison, kind=kind):
        raise StorageError(
            f"comparison {comparison[:12]} is not in {store.url}; run its study again"
        )
    group = store.place.zarr_store(store.key(kind, comparison))
    dataset: xr.Dataset = xr.open_zarr(group, consolidated=False)
    # A chunked label makes a chunked mask, by which nothing can be selected.
    return dataset.assign_coords({name: one.load() for name, one in dataset.coords.items()})
