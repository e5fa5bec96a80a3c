"""Results open their store once, and again in another process."""

import pickle
from pathlib import Path

import pytest
import xarray as xr

from seelike.storage.arrays import xarray_datasets
from seelike.storage.errors import StorageError
from seelike.storage.store import make_store
from seelike.tasks.results import ComparisonResult


def result(folder: Path) -> ComparisonResult:
    store = make_store(str(folder / "store"))
    xarray_datasets.write(store, "a", xr.Dataset({"cka": ("tap_a", [1.0])}))
    return ComparisonResult(store.url, "a")


def test_a_result_opens_its_store_once(tmp_path: Path) -> None:
    made = result(tmp_path)
    assert made.opened is made.opened
    assert made.open()["cka"].values == [1.0]


def test_a_pickled_result_opens_its_store_anew(tmp_path: Path) -> None:
    made = result(tmp_path)
    before = len(pickle.dumps(made))
    made.open()
    content = pickle.dumps(made)
    assert len(content) == before
    again = pickle.loads(content)
    assert again == made
    assert again.opened is not made.opened
    assert again.open().identical(made.open())


def test_a_result_whose_store_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        ComparisonResult(str(tmp_path / "none"), "a").open()
