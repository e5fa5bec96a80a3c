"""The section on nearest layers says what the comparison's cells say."""

import csv
import io
import re
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from seelike.analysis.similarity import Estimate
from seelike.storage.arrays import xarray_datasets
from seelike.storage.reports.write import Section
from seelike.storage.store import make_store
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.nearest_layers import LAYERS, SHOWN, section

from .made_up import TAPS, study


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """A comparison as it is read from a store: its strings have a variable length."""
    store = make_store(str(tmp_path_factory.mktemp("nearest") / "store"))
    xarray_datasets.write(store, "0" * 64, study())
    return xarray_datasets.read(store, "0" * 64).load()


@pytest.fixture(scope="module")
def models(dataset: xr.Dataset) -> list[str]:
    """Models without untrained baselines."""
    names = zip(dataset["model_a"].values, dataset["baseline_of_a"].values, strict=True)
    return list(dict.fromkeys(str(model) for model, own in names if not own))


@pytest.fixture(scope="module")
def built(dataset: xr.Dataset) -> Section:
    found = section(ComparisonView(dataset))
    assert found is not None
    return found


def test_every_layer_has_its_nearest_in_other_models(
    dataset: xr.Dataset, models: list[str], built: Section
) -> None:
    (numbers,) = built.data
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
    models: list[str], built: Section
) -> None:
    summary, table = built.tables
    assert len(table.rows) == len(models) * LAYERS * SHOWN
    assert {row[1] for row in table.rows} >= {TAPS[0], TAPS[-1]}
    assert all(isinstance(row[-1], Estimate) for row in table.rows)
    assert [words.partition(":")[0] for words in built.paragraphs] == models
    assert [row[:2] for row in summary.rows] == [(model, len(TAPS)) for model in models]
    for row in summary.rows:
        counts = [int(number) for number in re.findall(r"(\d+) in ", str(row[2]))]
        assert sum(counts) == len(TAPS)


def test_one_model_has_no_others(dataset: xr.Dataset, models: list[str]) -> None:
    assert section(ComparisonView(dataset).of_models(models[:1])) is None
