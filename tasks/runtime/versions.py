"""Versions of packages, kept with every result."""

import platform
from importlib.metadata import version

PACKAGES = ("seelike", "torch", "timm", "numpy", "zarr", "dask", "xarray", "prefect")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that compute, by name."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
