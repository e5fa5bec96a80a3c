"""Heatmaps of single tokens: CKA of a token with every patch of the input."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.experiments.localization import blocks_of, looked_at
from seelike.analysis.claims.results import ModelResult


def maps(one: ModelResult) -> Iterator[tuple[str, list[draw.Place]]]:
    """A low, a middle and the row used for claims, of one grid; then that of the baseline."""
    at = int(np.flatnonzero(looked_at(one.own))[0])
    grids = list(zip(one.own["rows"].values, one.own["columns"].values, strict=True))
    blocks = np.flatnonzero(blocks_of(one.own)).tolist()
    lower = [row for row in blocks if row < at and grids[row] == grids[at]]
    for row in dict.fromkeys([*lower[1:2], *lower[len(lower) // 2 :][:1], at]):
        yield str(one.own["tap"].values[row]), _tokens(one.own, row)
    if one.untrained is not None:
        same = looked_at(one.untrained)
        if same.any():
            row = int(np.flatnonzero(same)[0])
            yield f"untrained {one.untrained['tap'].values[row]}", _tokens(one.untrained, row)


def _tokens(dataset: xr.Dataset, row: int) -> list[draw.Place]:
    """Heatmaps of the chosen tokens of a layer, the class token first."""
    layer = dataset.isel(layer=row)
    of = int(layer["rows"]), int(layer["columns"])
    count = of[0] * of[1]
    places = []
    if np.isfinite(layer["class_token"].values[:count]).any():
        places.append(
            draw.Place("class token", layer["class_token"].values[:count].reshape(of), None)
        )
    for down, across in dataset["shown"].values.tolist():
        cka = layer["cka"].values[down * of[1] + across, :count].reshape(of)
        if np.isfinite(cka).any():
            places.append(draw.Place(f"row {down}, column {across}", cka, (down, across)))
    return places
