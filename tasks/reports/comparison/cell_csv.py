"""All pairs of layers of a comparison as CSV, every measure with its interval and p values."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seelike.analysis.figures import reading
from seelike.storage.reports.write import Csv
from seelike.tasks.reports.elements.tables import csv_of_frame

COORDINATES = ("model", "tap", "depth")
# What a comparison may hold of a measure; the value itself comes first.
PARTS = ("", *(f"_{part}" for part in reading.PARTS))


def cell_csv(name: str, comparison: xr.Dataset, models: Sequence[str]) -> Csv:
    """All pairs of layers of ``models``, a line per ordered pair.

    Reading it back gives the same floats; nan stands where a measure is not defined.

    Args:
        name: Stem of the file.
        comparison: Measures over (tap_a, tap_b).
        models: Names of models of the comparison.

    Raises:
        AnalysisError: A model is not there, or a measure is not finite where it is defined.
    """
    measures = reading.measures(comparison)
    possible = (f"{measure}{part}" for measure in measures for part in PARTS)
    columns = [column for column in possible if column in comparison]
    frame = pd.concat(_blocks(comparison, models, measures, columns), ignore_index=True)
    return csv_of_frame(name, "one line per pair of layers, with its interval", frame)


def _blocks(
    comparison: xr.Dataset, models: Sequence[str], measures: Sequence[str], columns: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """The cells of every two models."""
    for model_a in models:
        for model_b in models:
            block = reading.block(comparison, model_a, model_b)[list(columns)].load()
            for measure in measures:
                reading.check_finite(block, measure)
            block = block.transpose("tap_a", "tap_b")
            shape = (block.sizes["tap_a"], block.sizes["tap_b"])
            rows, cells = (place.ravel() for place in np.indices(shape))
            places = {
                f"{key}_{side}": block[f"{key}_{side}"].values[at]
                for side, at in (("a", rows), ("b", cells))
                for key in COORDINATES
            }
            numbers = {name: block[name].values.astype(np.float64).ravel() for name in columns}
            yield pd.DataFrame(places | numbers)
