"""The numbers behind a figure as CSV: one line a cell, with every tap's full name."""

import csv
import io
from collections.abc import Sequence

import numpy as np
import xarray as xr

from seelike.analysis.figures import reading

_COORDINATES = ("model_a", "tap_a", "depth_a", "model_b", "tap_b", "depth_b")
# The value itself comes first.
_PARTS = ("", *(f"_{part}" for part in reading.PARTS))


def cells(comparison: xr.Dataset, models: Sequence[str]) -> str:
    """All pairs of taps of ``models`` as CSV: both taps' model, name and depth, every measure.

    Beside each measure stands what the comparison holds of it: interval (low, high), p and q,
    critical value, calibrated value. Numbers are written so that reading them back gives the
    same floats; nan stands at taps where a measure is not defined. Of the two cells of a pair of
    taps, (a, b) and (b, a), both are written. Raises ``AnalysisError`` for a model that is not
    there and for a measure that is not finite.
    """
    measures = reading.measures(comparison)
    possible = (f"{measure}{part}" for measure in measures for part in _PARTS)
    measured = [name for name in possible if name in comparison]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow((*_COORDINATES, *measured))
    for model_a in models:
        for model_b in models:
            block = reading.block(comparison, model_a, model_b)[measured].load()
            for measure in measures:
                reading.check_finite(block, measure)
            block = block.transpose("tap_a", "tap_b")
            taps_a = list(zip(block["tap_a"].values, block["depth_a"].values, strict=True))
            taps_b = list(zip(block["tap_b"].values, block["depth_b"].values, strict=True))
            numbers = np.stack([block[name].values for name in measured], axis=-1)
            for i, (tap_a, depth_a) in enumerate(taps_a):
                for j, (tap_b, depth_b) in enumerate(taps_b):
                    place = (model_a, tap_a, float(depth_a), model_b, tap_b, float(depth_b))
                    lines.writerow((*place, *(repr(float(v)) for v in numbers[i, j])))
    return text.getvalue()
