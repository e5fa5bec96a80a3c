"""The versions that stand behind a number."""

import platform
from importlib.metadata import version

PACKAGES = ("seelike", "torch", "timm", "numpy", "zarr", "dask", "xarray", "prefect")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that compute, by name."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
