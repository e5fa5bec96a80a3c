"""The layers of a store most similar to one layer, as a table and as CSV."""

from typing import Literal

from seelike.analysis.similarity.nearest.sketches import DIMENSION, Projection
from seelike.flows.commands.text import format_table as columns
from seelike.storage.store import open_store
from seelike.tasks.nearest.by_signatures import by_signatures
from seelike.tasks.nearest.by_sketches import by_index, by_sketches
from seelike.tasks.nearest.neighbours import Layer, Neighbour, Neighbours
from seelike.tasks.reports.elements.tables import csv_text


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
    """Find the layers of a store most similar to one layer, by CKA on the same images.

    Args:
        layer: MODEL:LAYER, such as ``vit:blocks.3``.
        store: A folder, or a bucket's URL.
        count: How many layers to find.
        way: ``signatures``, exact CKA with intervals over batches; ``sketches``, estimates with
            their errors; ``index``, the same for candidates from a FAISS index.
        dimension: Numbers per sketch.
        seed: Seed of the sketches' projection.
        other_models: Whether to leave out the layers of the model itself.

    Returns:
        The neighbours, the most similar first.

    Raises:
        AnalysisError: The layer is not in the store.
        StorageError: There is no store.
    """
    opened = open_store(store)
    if way == "signatures":
        return by_signatures(opened, layer, count=count, other_models=other_models)
    found = by_index if way == "index" else by_sketches
    projection = Projection(dimension, seed)
    return found(opened, layer, count=count, projection=projection, other_models=other_models)


def format_table(neighbours: Neighbours) -> str:
    """The neighbours as a table, with the method and what was left out."""
    rows: list[tuple[str, ...]] = [("model", "layer", "depth", "rank", "CKA", "low", "high")]
    rows += [_cells(rank, one) for rank, one in enumerate(neighbours.found, 1)]
    bounds = neighbours.bounds if neighbours.found[0].low is not None else "no interval, one batch"
    lines = [
        f"nearest to {neighbours.of.volume.model}:{neighbours.of.tap}, among {neighbours.among} "
        f"layers, by {neighbours.method}; low, high: {bounds}",
        columns(rows, left=(0, 1)),
        *(f"left out: {one}" for one in neighbours.left_out),
    ]
    return "\n".join(lines)


def format_csv(neighbours: Neighbours) -> str:
    """The neighbours as CSV, one per line, with all digits."""
    rows = [
        (
            *(rank, one.layer.volume.model, one.layer.tap, one.layer.depth),
            *(one.cka, one.low, one.high, one.layer.volume.name),
        )
        for rank, one in enumerate(neighbours.found, 1)
    ]
    return csv_text(("rank", "model", "tap", "depth", "cka", "low", "high", "volume"), rows)


def _cells(rank: int, one: Neighbour) -> tuple[str, ...]:
    layer: Layer = one.layer
    depth = "" if layer.depth is None else f"{layer.depth:.2f}"
    bounds = ("" if value is None else f"{value:.3f}" for value in (one.low, one.high))
    return (layer.volume.model, layer.tap, depth, str(rank), f"{one.cka:.3f}", *bounds)
