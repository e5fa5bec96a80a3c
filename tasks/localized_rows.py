"""Which rows of a localization are blocks, which one is looked at closely, and their pictures."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from analysis import figures as draw
from tasks.localized import PIXELS
from tasks.looked import Looked


def blocks_of(dataset: xr.Dataset, *, patches: str = PIXELS) -> np.ndarray:
    """Which rows are blocks (all taps, where none is known to be one) against such patches."""
    blocks: np.ndarray = dataset["is_block"].values
    chosen: np.ndarray = dataset["patches"].values == patches
    return chosen & blocks if blocks.any() else chosen


def looked_at(dataset: xr.Dataset) -> np.ndarray:
    """The one row that is looked at closely: the last block but one, of a map the last.

    The last block of a transformer is read out at its class token alone.
    """
    rows = np.flatnonzero(blocks_of(dataset))
    chosen = np.zeros(dataset.sizes["layer"], bool)
    if len(rows):
        several = len(rows) > 1 and dataset["kind"].values[rows[-1]] == "tokens"
        chosen[rows[-2 if several else -1]] = True
    return chosen


def maps(one: Looked) -> Iterator[tuple[str, list[draw.Place]]]:
    """A low, a middle and the row looked at closely, where their grids are one; then the twin's."""
    at = int(np.flatnonzero(looked_at(one.own))[0])
    grids = list(zip(one.own["rows"].values, one.own["columns"].values, strict=True))
    blocks = np.flatnonzero(blocks_of(one.own)).tolist()
    lower = [row for row in blocks if row < at and grids[row] == grids[at]]
    for row in dict.fromkeys([*lower[1:2], *lower[len(lower) // 2 :][:1], at]):
        yield str(one.own["tap"].values[row]), _tokens(one.own, row)
    if one.twin is not None:
        same = looked_at(one.twin)
        if same.any():
            row = int(np.flatnonzero(same)[0])
            yield f"untrained {one.twin['tap'].values[row]}", _tokens(one.twin, row)


def _tokens(dataset: xr.Dataset, row: int) -> list[draw.Place]:
    """The tokens chosen for pictures, the class token first."""
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
