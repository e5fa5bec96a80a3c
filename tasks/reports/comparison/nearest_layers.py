"""The section on nearest layers: of every model's layers, those of other models most like it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from seelike.analysis.similarity import Estimate
from seelike.analysis.similarity.nearest.nearest import largest_places
from seelike.storage.reports.write import Csv, Section, Table
from seelike.tasks.reports.elements.claims import cell
from seelike.tasks.reports.elements.tables import as_csv
from seelike.tasks.reports.methods.comparison import cka_method

# Neighbours that the numbers have of every layer, and those that the table shows.
COUNT, SHOWN = 10, 3
# Layers of a model that the table shows, spread over its depth.
LAYERS = 5
NEAREST = "Nearest: the highest CKA with a layer of any other model; untrained twins are left out."


@dataclass(frozen=True)
class Match:
    """One layer of one model, and the layer of another that is ``rank`` in being like it."""

    model: str
    tap: str
    depth: float
    rank: int
    other: str
    other_tap: str
    other_depth: float
    cka: Estimate


def nearest_sections(dataset: xr.Dataset, models: Sequence[str]) -> Iterator[Section]:
    """The section for ``models``, where there are two or more of them."""
    if len(models) < 2:
        return
    found = list(matches(dataset, models))
    yield Section(
        "Nearest layers in other models",
        paragraphs=tuple(words(found, model) for model in models),
        tables=(_table(found, models),),
        method=cka_method(dataset, NEAREST),
    )


def nearest_data(dataset: xr.Dataset, models: Sequence[str]) -> Iterator[Csv]:
    """The numbers of all layers."""
    if len(models) < 2:
        return
    columns = ("model", "tap", "depth", "rank", "other_model", "other_tap", "other_depth")
    rows = [
        (
            *(one.model, one.tap, one.depth, one.rank),
            *(one.other, one.other_tap, one.other_depth),
            *(one.cka.value, one.cka.low, one.cka.high),
        )
        for one in matches(dataset, models)
    ]
    text = as_csv((*columns, "cka", "cka_low", "cka_high"), rows)
    yield Csv("nearest", text, f"the {COUNT} nearest layers in other models of each")


def matches(dataset: xr.Dataset, models: Sequence[str]) -> Iterator[Match]:
    """The ``COUNT`` nearest layers in others of ``models`` of each layer, model after model."""
    # As kept, they are strings of variable length, which NumPy does not cast.
    model, tap = (
        np.array([str(one) for one in dataset[key].values]) for key in ("model_a", "tap_a")
    )
    depth, cka = dataset["depth_a"].values, dataset["cka"].values
    for own in models:
        others = np.flatnonzero(np.isin(model, models) & (model != own))
        for row in np.flatnonzero(model == own):
            for rank, place in enumerate(others[largest_places(cka[row, others], COUNT)], 1):
                yield Match(
                    own,
                    str(tap[row]),
                    float(depth[row]),
                    rank,
                    str(model[place]),
                    str(tap[place]),
                    float(depth[place]),
                    _estimate(dataset, int(row), int(place)),
                )


def words(found: Sequence[Match], model: str) -> str:
    """In which other models the nearest layers of ``model`` lie, and how alike they are."""
    nearest = [one for one in found if one.model == model and one.rank == 1]
    counts = Counter(one.other for one in nearest).most_common()
    where = ", ".join(f"{count} in {other}" for other, count in counts)
    most, least = (f(nearest, key=lambda one: one.cka.value) for f in (max, min))
    return (
        f"{model}: of its {len(nearest)} layers the nearest layer in another model is {where}; "
        f"the most alike are {most.tap} and {most.other}'s {most.other_tap} "
        f"(CKA {most.cka.value:.2f}), and {least.tap} is the least like any "
        f"(CKA {least.cka.value:.2f})."
    )


def _table(found: Sequence[Match], models: Sequence[str]) -> Table:
    rows = []
    for model in models:
        taps = list(dict.fromkeys(one.tap for one in found if one.model == model))
        places = np.unique(np.linspace(0, len(taps) - 1, LAYERS).round().astype(int))
        shown = {taps[place] for place in places}
        rows += [
            (one.model, one.tap, one.rank, f"{one.other}: {one.other_tap}", cell(one.cka))
            for one in found
            if one.model == model and one.tap in shown and one.rank <= SHOWN
        ]
    return Table(
        ("model", "layer", "rank", "layer of another model", "CKA"),
        tuple(rows),
        caption=f"The {SHOWN} nearest layers in other models, for layers spread over each model's "
        "depth, with 95 % intervals over batches of images; all layers are in the numbers.",
    )


def _estimate(dataset: xr.Dataset, row: int, column: int) -> Estimate:
    value, *bounds = (
        float(dataset[name].values[row, column]) if name in dataset else None
        for name in ("cka", "cka_low", "cka_high")
    )
    assert value is not None
    return Estimate(value, *bounds)
