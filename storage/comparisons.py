"""Comparisons: xarray Datasets in Zarr, named by what they were computed from."""

import shutil
from typing import Any

import numpy as np
import xarray as xr

from storage.digest import digest
from storage.errors import StorageError
from storage.store import Store, publish

KIND = "comparisons"
# One measure each, which comparisons are joined from.
MEASURES = "measures"


def name(identity: dict[str, Any], *, kind: str = KIND) -> str:
    """The digest under which the comparison of ``identity`` is kept."""
    return digest({"kind": kind, **identity})


def exists(store: Store, comparison: str, *, kind: str = KIND) -> bool:
    """Whether the comparison of that digest is there; it is there whole or not at all."""
    return store.path(kind, comparison).is_dir()


def write(store: Store, comparison: str, dataset: xr.Dataset, *, kind: str = KIND) -> None:
    """Keep ``dataset`` under that digest: drafted beside its place and renamed into it."""
    place = store.path(kind, comparison)
    with store.lock(comparison):
        if place.exists():
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{comparison}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        # Strings of variable length have no Zarr specification under xarray's default dtype.
        strings = {
            key: coordinate.astype(np.dtypes.StringDType())
            for key, coordinate in dataset.coords.items()
            if coordinate.dtype.kind in "UO"
        }
        dataset.assign_coords(strings).to_zarr(draft, mode="w", consolidated=False, zarr_format=3)
        publish(draft, place)


def read(store: Store, comparison: str, *, kind: str = KIND) -> xr.Dataset:
    """The comparison of that digest, opened lazily; ``StorageError`` where there is none."""
    place = store.path(kind, comparison)
    if not place.is_dir():
        raise StorageError(
            f"comparison {comparison[:12]} is not in {store.root}; run its study again"
        )
    dataset: xr.Dataset = xr.open_zarr(place, consolidated=False)
    return dataset
