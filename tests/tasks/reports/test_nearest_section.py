"""The section on nearest layers says what the comparison's cells say."""

import csv
import io
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from seelike.storage.arrays import xarray_datasets
from seelike.storage.reports.write import Estimate
from seelike.storage.store import make_store
from seelike.tasks.reports.comparison.nearest_layers import (
    LAYERS,
    SHOWN,
    nearest_data,
    nearest_sections,
)

from .made_up import TAPS, study


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """A comparison as it is read from a store: its strings have a variable length."""
    store = make_store(str(tmp_path_factory.mktemp("nearest") / "store"))
    xarray_datasets.write(store, "0" * 64, study())
    return xarray_datasets.read(store, "0" * 64).load()


@pytest.fixture(scope="module")
def models(dataset: xr.Dataset) -> list[str]:
    """Those that are no untrained twins."""
    names = zip(dataset["model_a"].values, dataset["baseline_of_a"].values, strict=True)
    return list(dict.fromkeys(str(model) for model, own in names if not own))


def test_every_layer_has_its_nearest_in_other_models(
    dataset: xr.Dataset, models: list[str]
) -> None:
    (numbers,) = nearest_data(dataset, models)
    lines = list(csv.DictReader(io.StringIO(numbers.text)))
    assert len(lines) == len(models) * len(TAPS) * 10
    model = np.array(list(map(str, dataset["model_a"].values)))
    others = {own: np.isin(model, models) & (model != own) for own in models}
    first = [line for line in lines if line["rank"] == "1"]
    for line in first:
        row = np.flatnonzero((model == line["model"]) & (dataset["tap_a"].values == line["tap"]))[0]
        assert float(line["cka"]) == dataset["cka"].values[row, others[line["model"]]].max()
        low, value, high = (float(line[f"cka{end}"]) for end in ("_low", "", "_high"))
        # CKA of a layer with its copy is 1 but for rounding.
        assert low - 1e-12 <= value <= high + 1e-12
    for before, after in pairwise(lines):
        if int(after["rank"]) > 1:
            assert float(after["cka"]) <= float(before["cka"])


def test_the_table_shows_layers_over_the_depth_of_each_model(
    dataset: xr.Dataset, models: list[str]
) -> None:
    (section,) = nearest_sections(dataset, models)
    (table,) = section.tables
    assert len(table.rows) == len(models) * LAYERS * SHOWN
    assert {row[1] for row in table.rows} >= {TAPS[0], TAPS[-1]}
    assert all(isinstance(row[-1], Estimate) for row in table.rows)
    assert [words.partition(":")[0] for words in section.paragraphs] == models
    assert all(f"of its {len(TAPS)} layers" in words for words in section.paragraphs)


def test_one_model_has_no_others(dataset: xr.Dataset, models: list[str]) -> None:
    assert list(nearest_sections(dataset, models[:1])) == []
    assert list(nearest_data(dataset, models[:1])) == []
