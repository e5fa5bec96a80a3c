"""Layers of a dataset of receptive fields: kinds, names, limits of the image, sampled channels."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from seelike.analysis.claims.experiments.receptive_fields import rows_of
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.networks.anatomy.field_numbers import AT_EDGE
from seelike.tasks.reports.elements.wording import join_names

Rows = npt.NDArray[np.bool_]
BRANCHES = {"attention": "attention", "tokens": "token mixing", "mlp": "MLP", "unit": "the unit"}


def kinds(dataset: xr.Dataset) -> list[str]:
    """Kinds of residual sums of a model."""
    return [kind for kind in BRANCHES if (dataset["kind"].values == kind).any()]


def sublayers(dataset: xr.Dataset) -> list[str]:
    """Layers inside blocks that are no side of a sum, such as ``norm1``, in forward order."""
    own = dataset["kind"].values[rows_of(dataset, role="layer")].tolist()
    return [kind for kind in dict.fromkeys(own) if kind]


def groups(dataset: xr.Dataset) -> list[tuple[str, str]]:
    """Kinds and roles of the layers of a model."""
    sides = [(kind, role) for kind in kinds(dataset) for role in ("after", "before")]
    each = [*sides, *((kind, "layer") for kind in sublayers(dataset)), ("", "layer")]
    return [(kind, role) for kind, role in each if rows_of(dataset, role=role, kind=kind).any()]


def layer_label(role: str, kind: str) -> str:
    """Name of the layers of that role and kind."""
    if role == "layer":
        return kind or "outside the blocks"
    return f"{role} {BRANCHES[kind]}"


def uniform_level(name: str, shown: Sequence[tuple[xr.Dataset, Rows]]) -> float | None:
    """Value of ``name`` for a uniform field, where it is one number for all layers shown.

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
    """Count the layers whose 95 % radius is limited by the image: '3 of 8'."""
    return f"{int(dataset['radius_95_at_edge'].values[rows].sum())} of {int(rows.sum())}"


def limited(each: Sequence[ModelResult]) -> Iterator[str]:
    """Models with layers whose 95 % radius is limited by the size of the image."""
    names = [one.model for one in each if one.own["radius_95_at_edge"].values.any()]
    if names:
        yield (
            f"Some 95 % radii of {join_names(names)} are limited by the size of the image: they "
            f"reach at least {AT_EDGE:.0%} of the radius of a uniform field. The table counts them."
        )


def sampled(each: Sequence[ModelResult]) -> Iterator[str]:
    """Sentences on layers with sampled channels: their number per model, and the sampling."""
    models = []
    for one in each:
        some = int((one.own["channels_per_image"] < one.own["channels"]).sum())
        if some:
            models.append(f"{one.model} {some} of {one.own.sizes['layer']}")
    if models:
        of = each[0].own.attrs["channel_sample"]
        yield (
            f"Layers with more than {of['exact up to']} channels are averaged over a random sample "
            f"of {of['per image']} channels per image, {of['per group']} per "
            f"{of['images per group']} images. Such layers: {'; '.join(models)}."
        )
