"""Stores and study files that seelike 0.1.0 wrote: they open, and what is complete is kept.

tests/storage/before/store-0.1.0.tar.gz was written by 0.1.0 from STUDY (`compare`) and from STUDY
with `anatomy: [residuals]`; `part/` is the same, stopped after the first of Mixer's two batches.
"""

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from seelike.flows.anatomy import anatomy
from seelike.flows.compare import compare
from seelike.storage.store import open_store

ARCHIVE = Path(__file__).parents[1] / "storage" / "before" / "store-0.1.0.tar.gz"
STUDY: dict[str, Any] = {
    "name": "before",
    "images": {"source": "digits", "count": 64, "seed": 0},
    "models": [
        {"name": "ViT", "zoo": "vit-digits", "taps": ["blocks.1", "blocks.5"]},
        {"name": "Mixer", "zoo": "mixer", "taps": ["blocks.2", "blocks.4"]},
    ],
    "baseline": False,
    "keep": "activations",
    "batch": 32,
    "reduction": "mean",
    "compute": {"shard": 32},
}

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def before(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def study(folder: Path, store: str) -> dict[str, Any]:
    return {**STUDY, "store": str(folder / store), "report": str(folder / "report")}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and "locks" not in file.parts
    }


def test_a_complete_store_is_not_touched_and_gives_the_same_comparison(before: Path) -> None:
    were = contents(before / "store")
    result = compare(study(before, "store"))
    assert result.recorded == 0
    now = contents(before / "store")
    assert {name: now[name] for name in were} == were
    assert set(now) == set(were), "nothing is computed under another digest"
    old = next((before / "store" / "comparisons").iterdir())
    assert result.name == old.name
    xr.testing.assert_identical(result.open().load(), xr.open_zarr(old).load())


def test_an_anatomy_of_before_is_not_computed_again(before: Path) -> None:
    of_one = {"models": STUDY["models"][:1], "anatomy": ["residuals"]}
    result = anatomy({**study(before, "store"), **of_one})
    assert result.computed == 0
    assert np.isfinite(result.open("ViT", "residuals")["ratio"]).all()


def test_a_recording_that_was_begun_is_resumed(before: Path) -> None:
    result = compare(study(before, "part"))
    assert result.recorded == 1
    whole, part = open_store(str(before / "store")), open_store(str(before / "part"))
    for kind in ("recordings", "signatures"):
        assert sorted(whole.names(kind)) == sorted(part.names(kind))
    were = contents(before / "store" / "recordings")
    assert contents(before / "part" / "recordings") == were
