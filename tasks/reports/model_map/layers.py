"""Section with the map of all layers, each model a path."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.storage.reports.write import Cell, Csv, Section, Table
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.tables import csv_file
from seelike.tasks.reports.methods.model_map import map_method

THIRDS = ("first layers", "middle layers", "last layers")


def section(mapped: xr.Dataset) -> Section:
    """Build the section from a map's dataset; it says why where there is no map."""
    if "place" not in mapped:
        why = mapped.attrs["left_out"]["map"]
        return Section("A map of all layers", paragraphs=(f"There is no map: {why}.",))
    distances = spread(mapped)
    found = tuple(words(mapped, distances))
    figure = render_figure(
        "layer-map",
        draw.layer_map(mapped),
        alt=" ".join(found),
        caption="Every layer of every model, near to similar layers. Each model is a path from its "
        "input (square) to its output (disc). Explore it to point at layers; a click on a path "
        "shows that model alone.",
        data="layers",
        explorer=draw.map_explorer(mapped),
        models=[str(name) for name in mapped["model"].values],
    )
    return Section(
        "A map of all layers",
        paragraphs=found,
        figures=(figure,),
        tables=(table(mapped, distances),),
        method=map_method(mapped),
        data=(_csv(mapped),),
    )


def words(mapped: xr.Dataset, distances: Mapping[str, tuple[float, ...]]) -> Iterator[str]:
    """Sentences on the fidelity of the map, and on trained models' distances along their depth."""
    first, second = mapped.attrs["shares"][:2]
    low, high = mapped.attrs["negative"]
    bounds = f"{low:.1%}" if high - low < 0.0005 else f"{low:.1%} to {high:.1%}"
    yield (
        f"In two dimensions classical scaling shows {first + second:.0%} of the squared angles of "
        f"{mapped.sizes['tap']} layers ({first:.0%} and {second:.0%})."
    )
    yield f"Negative eigenvalues, which no Euclidean map shows, have a weight of {bounds}."
    if mapped.attrs["method"] == "umap":
        yield (
            "The map is that of UMAP, started from there: it keeps neighbours together, and its "
            "distances have no scale."
        )
    if distances["trained"]:
        start, _, end = distances["trained"]
        direction = "farther apart" if end > start else "closer together"
        yield f"Trained models lie {direction} at their last layers than at their first."


def spread(mapped: xr.Dataset) -> dict[str, tuple[float, ...]]:
    """Mean distance on the map between two models at first, middle and last layers, by state."""
    places, owner = mapped["place"].values, mapped["tap_model"].values
    depth, found = mapped["depth"].values, {}
    for state, name in ((True, "trained"), (False, "untrained")):
        names = mapped["model"].values[mapped["trained"].values == state]
        chosen = []
        for model in names:
            rows = np.flatnonzero(owner == model)
            middle = rows[np.abs(depth[rows] - (depth[rows[0]] + depth[rows[-1]]) / 2).argmin()]
            chosen.append((rows[0], middle, rows[-1]))
        pairs = list(combinations(chosen, 2))
        found[name] = tuple(
            float(np.mean([np.linalg.norm(places[a[i]] - places[b[i]]) for a, b in pairs]))
            for i in range(3)
            if pairs
        )
    return found


def table(mapped: xr.Dataset, distances: Mapping[str, tuple[float, ...]]) -> Table:
    """Mean distances between two models at their first, middle and last layers."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *own) for name, own in distances.items() if own
    )
    return Table(
        ("models", *THIRDS),
        rows,
        caption="Mean distance on the map between two models, in radians."
        if mapped.attrs["method"] == "mds"
        else "Mean distance on the map between two models, on a scale of its own.",
    )


def _csv(mapped: xr.Dataset) -> Csv:
    columns = (mapped[name].values.tolist() for name in ("tap_model", "tap", "depth"))
    rows = (
        (*labels, *place)
        for *labels, place in zip(*columns, mapped["place"].values.tolist(), strict=True)
    )
    about = "one line per layer, with its place on the map"
    return csv_file("layers", about, ("model", "tap", "depth", "x", "y"), rows)
