"""Section on nearest layers: for every layer, the most similar layers of other models."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from seelike.analysis.similarity import Estimate
from seelike.analysis.similarity.nearest.nearest import largest_places
from seelike.storage.reports.write import Csv, Section, Table
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.elements.tables import columns_of, csv_file, ends
from seelike.tasks.reports.elements.wording import join_names
from seelike.tasks.reports.methods.comparison import cka_method

# Neighbours of every layer in the CSV file, and in the table.
COUNT, SHOWN = 10, 3
# Layers of a model that the table shows, spread over its depth.
LAYERS = 5
NEAREST = (
    "Nearest: the highest CKA with a layer of any other model; untrained baselines are left out."
)


@dataclass(frozen=True)
class Match:
    """A layer of a model, and the layer of another model at ``rank`` of similarity to it."""

    model: str
    tap: str
    depth: float
    rank: int
    other: str
    other_tap: str
    other_depth: float
    cka: Estimate


def section(view: ComparisonView) -> Section | None:
    """Build the section for a comparison of two models or more."""
    models = view.models
    if len(models) < 2:
        return None
    found = list(matches(view.dataset, models))
    return Section(
        "Nearest layers in other models",
        paragraphs=tuple(words(found, model) for model in models),
        tables=(_summary(found, models), _table(found, models)),
        method=cka_method(view.dataset, NEAREST),
        data=(_csv(found),),
    )


def _csv(found: Sequence[Match]) -> Csv:
    columns = ("model", "tap", "depth", "rank", "other_model", "other_tap", "other_depth")
    rows = (
        (
            *(one.model, one.tap, one.depth, one.rank),
            *(one.other, one.other_tap, one.other_depth),
            *ends(one.cka),
        )
        for one in found
    )
    about = f"one line per layer and each of its {COUNT} nearest layers in other models"
    return csv_file("nearest", about, (*columns, *columns_of(["cka"])), rows)


def matches(dataset: xr.Dataset, models: Sequence[str]) -> Iterator[Match]:
    """For each layer of ``models``, the ``COUNT`` nearest layers of the others, in their order."""
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
    """The other models that most of the nearest layers of ``model`` belong to."""
    nearest = _nearest(found, model)
    (first, most), *_ = counts = Counter(one.other for one in nearest).most_common()
    if 2 * most > len(nearest):
        return f"{model}: most of its nearest layers lie in {first}."
    return f"{model}: its nearest layers lie in {join_names(other for other, _ in counts)}."


def _nearest(found: Sequence[Match], model: str) -> list[Match]:
    """The nearest layer of each layer of ``model``."""
    return [one for one in found if one.model == model and one.rank == 1]


def _summary(found: Sequence[Match], models: Sequence[str]) -> Table:
    rows = []
    for model in models:
        nearest = _nearest(found, model)
        counts = Counter(one.other for one in nearest).most_common()
        most, least = (f(nearest, key=lambda one: one.cka.value) for f in (max, min))
        rows.append(
            (
                model,
                len(nearest),
                ", ".join(f"{count} in {other}" for other, count in counts),
                f"{most.tap} and {most.other}: {most.other_tap}",
                most.cka,
                least.tap,
                least.cka,
            )
        )
    return Table(
        ("model", "layers", "nearest layers", "most alike", "CKA", "least like any", "its CKA"),
        tuple(rows),
        caption="In which models the nearest layers lie, the layer that is most like one of "
        "another model, and the layer that is least like any; with 95 % intervals over batches of "
        "images.",
    )


def _table(found: Sequence[Match], models: Sequence[str]) -> Table:
    rows = []
    for model in models:
        taps = list(dict.fromkeys(one.tap for one in found if one.model == model))
        places = np.unique(np.linspace(0, len(taps) - 1, LAYERS).round().astype(int))
        shown = {taps[place] for place in places}
        rows += [
            (one.model, one.tap, one.rank, f"{one.other}: {one.other_tap}", one.cka)
            for one in found
            if one.model == model and one.tap in shown and one.rank <= SHOWN
        ]
    return Table(
        ("model", "layer", "rank", "layer of another model", "CKA"),
        tuple(rows),
        caption=f"The {SHOWN} nearest layers in other models, for layers spread over each model's "
        "depth, with 95 % intervals over batches of images; all layers are in nearest.csv.",
    )


def _estimate(dataset: xr.Dataset, row: int, column: int) -> Estimate:
    value, *bounds = (
        float(dataset[name].values[row, column]) if name in dataset else None
        for name in ("cka", "cka_low", "cka_high")
    )
    assert value is not None
    return Estimate(value, *bounds)
