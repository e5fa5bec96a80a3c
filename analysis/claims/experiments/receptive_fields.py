"""The claims on effective receptive fields (E5)."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import xarray as xr

from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.results import (
    ModelResult,
    Rows,
    by_role,
    claim_contrast,
    measurement,
    unique_cases,
    with_rows,
)
from seelike.analysis.similarity.intervals.jackknife import Jackknifed


def field_cases(each: Sequence[ModelResult]) -> list[Case]:
    """Test E5 on ViTs before and after the residual sum, and on ViT against ResNet."""
    after, before = (partial(rows_of, role=role, kind="attention") for role in ("after", "before"))
    found = []
    for cast in by_role(each):
        vit = with_rows(cast.get("vit"), after, before)
        resnet = with_rows(cast.get("resnet"), partial(rows_of, role="after"))
        if vit is not None:
            found.append(_centre(vit))
        if vit is not None and resnet is not None:
            found.append(_early(vit, resnet))
    return unique_cases(found)


def _centre(vit: ModelResult) -> Case:
    share = claim_contrast(
        "E5-centre",
        f"mean share of the gradient in the centre patch, attention of {vit.model}",
        measurement(vit, "after the sum", partial(_share, role="after")),
        measurement(vit, "before the sum", partial(_share, role="before")),
    )
    return Case("E5-centre", (vit.model,), (share,))


def _early(vit: ModelResult, resnet: ModelResult) -> Case:
    """Global early is wider than a ResNet early; gradual growth is wider late than early."""
    of = "radius that holds 95 % of the gradient, over that of a field spread evenly"
    lowest = partial(extent, which=0)
    wide = claim_contrast(
        "E5-early",
        f"{of}, lowest quarter of the residual sums",
        measurement(vit, vit.model, lowest),
        measurement(resnet, resnet.model, lowest),
    )
    grows = claim_contrast(
        "E5-early",
        f"{of}, residual sums of {resnet.model}",
        measurement(resnet, "highest quarter", partial(extent, which=1)),
        measurement(resnet, "lowest quarter", lowest),
    )
    return Case("E5-early", (vit.model, resnet.model), (wide, grows))


def _share(dataset: xr.Dataset, *, role: str) -> Jackknifed:
    rows = rows_of(dataset, role=role, kind="attention")
    return Jackknifed.from_dataset(dataset, "centre_share").of(
        lambda each: each[:, rows].mean(axis=1)
    )


def extent(dataset: xr.Dataset, *, which: int) -> Jackknifed:
    """Mean 95 % radius of the lowest (0) or highest (1) quarter of the sums, over the even one."""
    rows = quarters(dataset, role="after")[which]
    even = dataset["radius_95_uniform"].values[rows]
    radii = Jackknifed.from_dataset(dataset, "radius_95")
    return radii.of(lambda each: (each[:, rows] / even).mean(axis=1))


def rows_of(dataset: xr.Dataset, *, role: str, kind: str | None = None) -> Rows:
    """Select the layers of a role, and of a kind of residual sum."""
    rows: Rows = dataset["role"].values == role
    return rows if kind is None else rows & (dataset["kind"].values == kind)


def quarters(dataset: xr.Dataset, *, role: str, kind: str | None = None) -> tuple[Rows, Rows]:
    """Select the lowest and the highest quarter of these layers, at least one each."""
    rows = rows_of(dataset, role=role, kind=kind)
    place = np.cumsum(rows) - 1
    count = rows.sum()
    each = max(1, count // 4)
    return rows & (place < each), rows & (place >= count - each)
