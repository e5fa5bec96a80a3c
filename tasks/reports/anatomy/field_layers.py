"""Layers of a dataset of receptive fields: which are meant, what limits them, what was sampled."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from seelike.analysis.claims.experiments.receptive_fields import rows_of
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.networks.anatomy.field_numbers import AT_EDGE

Rows = npt.NDArray[np.bool_]
BRANCHES = {"attention": "attention", "tokens": "token mixing", "mlp": "MLP", "unit": "the unit"}


def kinds(dataset: xr.Dataset) -> list[str]:
    """The kinds of residual sums that a model has."""
    return [kind for kind in BRANCHES if (dataset["kind"].values == kind).any()]


def sublayers(dataset: xr.Dataset) -> list[str]:
    """The places inside of blocks that are no side of a sum, such as ``norm1``, as they fire."""
    own = dataset["kind"].values[rows_of(dataset, role="layer")].tolist()
    return [kind for kind in dict.fromkeys(own) if kind]


def groups(dataset: xr.Dataset) -> list[tuple[str, str]]:
    """Kind and role of the layers of a model, those that there are."""
    sides = [(kind, role) for kind in kinds(dataset) for role in ("after", "before")]
    each = [*sides, *((kind, "layer") for kind in sublayers(dataset)), ("", "layer")]
    return [(kind, role) for kind, role in each if rows_of(dataset, role=role, kind=kind).any()]


def called(role: str, kind: str) -> str:
    """Layers of that role and kind in words."""
    if role == "layer":
        return kind or "outside the blocks"
    return f"{role} {BRANCHES[kind]}"


def uniform_level(name: str, shown: Sequence[tuple[xr.Dataset, Rows]]) -> float | None:
    """What a uniform field would have for ``name`` where it is one number for all layers shown.

    Args:
        name: A radius, such as ``radius_95``; other numbers have none.
        shown: Datasets and which of their layers are shown.
    """
    of = f"{name}_uniform"
    if not all(of in dataset for dataset, _ in shown):
        return None
    values = np.concatenate([dataset[of].values[rows] for dataset, rows in shown])
    return float(values[0]) if values.size and np.allclose(values, values[0]) else None


def edge_count(dataset: xr.Dataset, rows: Rows) -> str:
    """How many of these layers have a 95 % radius that the image limits: '3 of 8'."""
    return f"{int(dataset['radius_95_at_edge'].values[rows].sum())} of {int(rows.sum())}"


def limited(each: Sequence[ModelResult]) -> Iterator[str]:
    """One sentence: which layers' radii say how large the image is, and no more."""
    told = []
    for one in each:
        rows = {
            called(role, kind): rows_of(one.own, role=role, kind=kind)
            for kind, role in groups(one.own)
        }
        at_edge = one.own["radius_95_at_edge"].values
        mine = [f"{k} {edge_count(one.own, r)}" for k, r in rows.items() if at_edge[r].any()]
        uniform = one.own["radius_95_uniform"].values
        width = f"{uniform.min():.1f}"
        if np.ptp(uniform) > 0.05:
            width += f" to {uniform.max():.1f}"
        told.append(f"{one.model} ({width} pixels) {', '.join(mine) if mine else 'none'}")
    if told:
        yield (
            "Radii are limited by the image where 95 % of the gradient reaches at least "
            f"{AT_EDGE:.0%} as far as in a uniform field: {'; '.join(told)}."
        )


def sampled(each: Sequence[ModelResult]) -> Iterator[str]:
    """One sentence: of how many layers the channels were sampled, and how."""
    told = []
    for one in each:
        some = int((one.own["channels_per_image"] < one.own["channels"]).sum())
        if some:
            told.append(f"{one.model} {some} of {one.own.sizes['layer']}")
    if told:
        of = each[0].own.attrs["channel_sample"]
        yield (
            f"Layers with more than {of['exact up to']} channels are averaged over a random sample "
            f"of {of['per image']} channels per image, {of['per group']} per "
            f"{of['images per group']} images: {'; '.join(told)}."
        )
