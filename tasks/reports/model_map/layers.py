"""The section with the map: where all layers of all models lie, each model a path."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.storage.reports.write import Cell, Csv, Section, Table
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.tables import as_csv
from seelike.tasks.reports.methods.model_map import map_method

THIRDS = ("first layers", "middle layers", "last layers")


def section(mapped: xr.Dataset) -> Section:
    """The map, or why there is none."""
    if "place" not in mapped:
        why = mapped.attrs["left_out"]["map"]
        return Section("A map of all layers", paragraphs=(f"There is no map: {why}.",))
    found = tuple(words(mapped))
    return Section(
        "A map of all layers",
        paragraphs=found,
        figures=(
            render_figure(
                "layer-map",
                draw.layer_map(mapped),
                alt=" ".join(found),
                caption="Every layer of every model, near to those it is like: each model a path "
                "from its input (square) to its output (disc). Explore it to point at layers; a "
                "click on a path shows that model alone.",
                data="layers",
                explorer=draw.map_explorer(mapped),
                models=[str(name) for name in mapped["model"].values],
            ),
        ),
        tables=(table(mapped),),
        method=map_method(mapped),
    )


def words(mapped: xr.Dataset) -> Iterator[str]:
    """How true the map is, and whether models part on their way."""
    first, second = mapped.attrs["shares"][:2]
    low, high = mapped.attrs["negative"]
    bounds = f"{low:.1%}" if high - low < 0.0005 else f"{low:.1%} to {high:.1%}"
    yield (
        f"In two dimensions classical scaling shows {first + second:.0%} of the squared angles of "
        f"{mapped.sizes['tap']} layers ({first:.0%} and {second:.0%}); negative eigenvalues, which "
        f"no Euclidean map shows, weigh {bounds}."
    )
    if mapped.attrs["method"] == "umap":
        yield (
            "The map is UMAP's, from there on: it keeps neighbours together, and its distances "
            "have no scale."
        )
    trained = [name for name, own in spread(mapped).items() if name == "trained" and own]
    for name in trained:
        start, middle, end = spread(mapped)[name]
        yield (
            f"Between two trained models the mean distance on the map is {start:.2f} at their "
            f"first layers, {middle:.2f} in the middle of their depth and {end:.2f} at their last."
        )


def spread(mapped: xr.Dataset) -> dict[str, tuple[float, ...]]:
    """Mean distance on the map of every two models at first, middle and last layers."""
    places, owner = mapped["place"].values, mapped["tap_model"].values
    depth, found = mapped["depth"].values, {}
    for state, called in ((True, "trained"), (False, "untrained")):
        names = mapped["model"].values[mapped["trained"].values == state]
        chosen = []
        for name in names:
            rows = np.flatnonzero(owner == name)
            middle = rows[np.abs(depth[rows] - (depth[rows[0]] + depth[rows[-1]]) / 2).argmin()]
            chosen.append((rows[0], middle, rows[-1]))
        pairs = list(combinations(chosen, 2))
        found[called] = tuple(
            float(np.mean([np.linalg.norm(places[a[i]] - places[b[i]]) for a, b in pairs]))
            for i in range(3)
            if pairs
        )
    return found


def table(mapped: xr.Dataset) -> Table:
    """How far apart models are at their first, middle and last layers."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (called, *own) for called, own in spread(mapped).items() if own
    )
    return Table(
        ("models", *THIRDS),
        rows,
        caption="Mean distance on the map between two models, in radians."
        if mapped.attrs["method"] == "mds"
        else "Mean distance on the map between two models, on a scale of its own.",
    )


def data(mapped: xr.Dataset) -> Iterator[Csv]:
    """Every layer with its place."""
    if "place" not in mapped:
        return
    columns = (mapped[name].values.tolist() for name in ("tap_model", "tap", "depth"))
    rows = (
        (*labels, *place)
        for *labels, place in zip(*columns, mapped["place"].values.tolist(), strict=True)
    )
    header = ("model", "tap", "depth", "x", "y")
    yield Csv("layers", as_csv(header, rows), "one line a layer, with its place on the map")
