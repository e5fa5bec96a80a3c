"""Which layers of a store are most like one layer, found and told."""

from typing import Literal

from seelike.analysis.similarity.nearest.sketches import DIMENSION, Projection
from seelike.flows.commands.plan import table
from seelike.storage.store import open_store
from seelike.tasks.nearest.by_signatures import by_signatures
from seelike.tasks.nearest.by_sketches import by_index, by_sketches
from seelike.tasks.nearest.neighbours import Layer, Neighbour, Neighbours
from seelike.tasks.reports.elements.tables import as_csv


def nearest(
    layer: str,
    *,
    store: str = "store",
    count: int = 10,
    way: Literal["signatures", "sketches", "index"] = "signatures",
    dimension: int = DIMENSION,
    seed: int = 0,
    other_models: bool = False,
) -> Neighbours:
    """The ``count`` layers of ``store`` that are most like ``layer``, written MODEL:TAP.

    By ``signatures`` exactly, with intervals over batches; by ``sketches`` of ``dimension`` numbers
    with their error bars; by an ``index`` of those. Raises ``AnalysisError`` for a layer that is
    not there, with the nearest name, ``StorageError`` where there is no store.
    """
    opened = open_store(store)
    if way == "signatures":
        return by_signatures(opened, layer, count=count, other_models=other_models)
    found = by_index if way == "index" else by_sketches
    projection = Projection(dimension, seed)
    return found(opened, layer, count=count, projection=projection, other_models=other_models)


def told(neighbours: Neighbours) -> str:
    """The neighbours as a table, with how they were found and what was left out."""
    rows: list[tuple[str, ...]] = [("model", "tap", "depth", "rank", "CKA", "low", "high")]
    rows += [_cells(rank, one) for rank, one in enumerate(neighbours.found, 1)]
    bounds = neighbours.bounds if neighbours.found[0].low is not None else "no interval, one batch"
    lines = [
        f"nearest to {neighbours.of.volume.model}:{neighbours.of.tap}, among {neighbours.among} "
        f"layers, by {neighbours.method}; low, high: {bounds}",
        table(rows),
        *(f"left out: {one}" for one in neighbours.left_out),
    ]
    return "\n".join(lines)


def lines(neighbours: Neighbours) -> str:
    """The neighbours as CSV: a line each, with all digits."""
    rows = [
        (
            *(rank, one.layer.volume.model, one.layer.tap, one.layer.depth),
            *(one.cka, one.low, one.high, one.layer.volume.name),
        )
        for rank, one in enumerate(neighbours.found, 1)
    ]
    return as_csv(("rank", "model", "tap", "depth", "cka", "low", "high", "volume"), rows)


def _cells(rank: int, one: Neighbour) -> tuple[str, ...]:
    layer: Layer = one.layer
    depth = "" if layer.depth is None else f"{layer.depth:.2f}"
    bounds = ("" if value is None else f"{value:.3f}" for value in (one.low, one.high))
    return (layer.volume.model, layer.tap, depth, str(rank), f"{one.cka:.3f}", *bounds)
