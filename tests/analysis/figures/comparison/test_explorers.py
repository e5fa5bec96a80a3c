"""Explorers hold the comparison's own numbers: read back from the document's JSON."""

import json
import re
from typing import Any

import numpy as np
import pytest
import xarray as xr
from bokeh.document import Document
from bokeh.models import ColumnDataSource, CustomJSHover, HoverTool, LinearColorMapper

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import explorer, scale


def opened(text: str) -> Document:
    return Document.from_json(json.loads(text)["doc"])


def one(document: Document, kind: type) -> Any:
    (found,) = document.select({"type": kind})
    return found


@pytest.mark.parametrize("measure", ["cka", "predictivity"])
def test_every_number_is_the_comparisons(measured: xr.Dataset, measure: str) -> None:
    rows, columns = ["resnet", "vit"], ["mixer"]
    document = opened(explorer(measured, rows, columns, measure=measure))
    # Models stand in the order asked for, whatever the comparison's.
    at_a = np.concatenate([np.flatnonzero(measured["model_a"].values == m) for m in rows])
    at_b = np.flatnonzero(measured["model_b"].values == "mixer")
    cells = measured.isel(tap_a=at_a, tap_b=at_b)
    data = one(document, ColumnDataSource).data
    for column, name in (("value", measure), ("low", "cka_low"), ("q", "cka_q")):
        if measure != "cka" and column != "value":
            assert column not in data
            continue
        np.testing.assert_array_equal(data[column][0], cells[name].values.astype(np.float32))
    mapper = one(document, LinearColorMapper)
    assert (mapper.low, mapper.high) == pytest.approx(scale(measured, measure=measure))


def test_the_pointer_is_told_both_taps_models_and_depths(comparison: xr.Dataset) -> None:
    hover = one(opened(explorer(comparison, ["vit"], ["resnet"])), HoverTool)
    assert [words for words, _ in hover.tooltips] == [
        "upward",
        "rightward",
        "CKA",
        "95 % interval",
    ]
    told = {axis: hover.formatters[axis] for axis in ("$x", "$y")}
    assert all(isinstance(one, CustomJSHover) for one in told.values())
    assert told["$y"].args["names"][0] == "vit: patch_embed (depth 0.00)"
    assert told["$x"].args["names"][-1] == "resnet: layer4.1 (depth 1.00)"


def test_what_is_not_there_is_named_with_the_nearest(comparison: xr.Dataset) -> None:
    with pytest.raises(AnalysisError, match="model 'vitt' is not in the comparison; nearest: 'vit"):
        explorer(comparison, ["vitt"], ["vit"])
    with pytest.raises(AnalysisError, match="measure 'ckaa' is not in the comparison"):
        explorer(comparison, ["vit"], ["vit"], measure="ckaa")
    broken = comparison.copy(deep=True)
    broken["cka"][0, 0] = np.nan
    with pytest.raises(AnalysisError, match="expected a finite number"):
        explorer(broken, ["vit"], ["vit"])


def test_one_comparison_gives_one_document_and_two_explorers_share_no_id(
    comparison: xr.Dataset,
) -> None:
    first, again = (explorer(comparison, ["vit"], ["resnet"]) for _ in range(2))
    assert first == again
    ids = [
        set(re.findall(r'"id": "([^"]+)"', text))
        for text in (first, explorer(comparison, ["vit"], ["vit"]))
    ]
    assert len(ids[0]) > 10
    assert not ids[0] & ids[1]
