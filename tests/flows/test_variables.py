"""Every stored variable is in the inventory, with its dimensions and dtype, and no other."""

from pathlib import Path
from typing import Any

import pytest
import xarray as xr
import zarr

from seelike.flows.anatomy import anatomy
from seelike.flows.compare import compare
from seelike.flows.map import map_study
from seelike.flows.probe import probe
from seelike.flows.sketch import sketch
from seelike.storage.arrays.variables import VARIABLES
from seelike.storage.arrays.variables.page import page

ROOT = Path(__file__).parents[2]
MEASURES = ["cka", "rsa", "procrustes"]

# Name, dimensions, dtype.
Row = tuple[str, tuple[str, ...], str]


def study(folder: Path) -> dict[str, Any]:
    return {
        "name": "variables",
        "store": str(folder / "store"),
        "images": {"source": "digits", "count": 128, "seed": 0},
        "models": [
            {"name": "ViT", "zoo": "vit", "taps": ["blocks.1", "blocks.5"]},
            {"name": "ResNet", "zoo": "resnet", "taps": ["layer1.0", "layer3.1"]},
        ],
        "keep": "activations",
        "batch": 32,
        "similarity": MEASURES,
        "sweep": True,
        "permutations": 20,
        "anatomy": [name.partition(": ")[2] for name in VARIABLES if name.startswith("anatomy")],
        "receptive_field_images": 8,
        "probing": {"shots": [1]},
        "report": str(folder / "report"),
    }


@pytest.fixture(scope="module")
def store(server: None, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    folder = tmp_path_factory.mktemp("variables")
    for flow in (compare, anatomy, probe, map_study, sketch):
        flow(study(folder))
    return folder / "store"


def dtype_of(array: xr.DataArray | zarr.Array[Any]) -> str:
    name = str(array.dtype)
    return "string" if "String" in name or array.dtype.kind in "UO" else name


def stored(store: Path, kind: str) -> set[Row]:
    """What lies in the datasets of a kind, as xarray opens them."""
    folder, _, analysis = kind.partition(": ")
    rows = set()
    for group in sorted((store / folder).iterdir()):
        dataset = xr.open_zarr(group, consolidated=False)
        if analysis in ("", dataset.attrs.get("analysis")):
            rows |= {
                (str(name), tuple(map(str, one.dims)), dtype_of(one))
                for name, one in dataset.variables.items()
            }
    return rows


def expected(kind: str) -> set[Row]:
    # The sweep's reference is exact CKA, which has no batches.
    names = [*MEASURES, "cka_exact"] if kind == "comparisons" else ["value"]
    return {
        (one.name.replace("{measure}", name), one.dims, one.dtype)
        for one in VARIABLES[kind]
        for name in names
        if one.name.replace("{measure}", name) != "cka_exact_parts"
    }


@pytest.mark.parametrize(
    "kind", [kind for kind in VARIABLES if kind not in ("recordings", "signatures", "sketches")]
)
def test_a_dataset_holds_what_the_inventory_says(store: Path, kind: str) -> None:
    found, known = stored(store, kind), expected(kind)
    assert found - known == set()
    assert known - found == set()


@pytest.mark.parametrize("kind", ["recordings", "signatures", "sketches"])
def test_an_array_group_holds_what_the_inventory_says(store: Path, kind: str) -> None:
    known = {one.name: (len(one.dims), one.dtype) for one in VARIABLES[kind]}
    found: dict[str, tuple[int, str]] = {}
    for path in (store / kind).iterdir():
        group = zarr.open_group(path, mode="r")
        layers = set(group.attrs["taps"]) if kind == "recordings" else set()  # type: ignore[arg-type]
        for name, array in group.arrays():
            if name in layers:
                assert str(array.dtype) == known["{layer}"][1]
            else:
                found[name] = (array.ndim, str(array.dtype))
    assert found == {name: what for name, what in known.items() if name != "{layer}"}


def test_every_variable_says_what_it_is() -> None:
    for variables in VARIABLES.values():
        names = [one.name for one in variables]
        assert len(names) == len(set(names))
        assert all(one.meaning.strip() for one in variables)


def test_the_page_is_what_the_inventory_gives() -> None:
    assert (ROOT / "docs" / "datasets.md").read_text() == page()
