"""Section on whole models: similarity, clusters, similarity beyond chance."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.figures.model_map.model_heatmap import TITLES
from seelike.analysis.similarity.models.dendrograms import cluster_models, cut_tree
from seelike.analysis.similarity.significance.permutation_tests import LEVEL
from seelike.storage.digest import slug
from seelike.storage.reports import write
from seelike.storage.reports.write import Csv, Figure, Section, Table
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.tables import csv_file
from seelike.tasks.reports.elements.wording import capitalize
from seelike.tasks.reports.methods.model_map import models_method

# The aggregate that sentences use.
MAIN = "aligned"
# The table lists at most so many models.
_ROWS = 60


def section(mapped: xr.Dataset) -> Section:
    """Build the section from a map's dataset."""
    return Section(
        "Similarity of whole models",
        paragraphs=tuple(words(mapped)),
        figures=tuple(figures(mapped)) if "merges" in mapped else (),
        tables=(table(mapped),) if 1 < mapped.sizes["model"] <= _ROWS else (),
        method=models_method(mapped),
        data=(_csv(mapped),),
    )


def words(mapped: xr.Dataset) -> Iterator[str]:
    """Clusters, families, and similarity beyond chance."""
    if mapped.sizes["model"] < 2:
        yield "There is one model, so there is nothing to compare it with."
        return
    yield clusters(mapped, MAIN)
    yield from kinds(mapped)
    if "corrected" in mapped:
        first, second = np.triu_indices(mapped.sizes["model"], 1)
        p = mapped["corrected"].sel(aggregate=MAIN).values[first, second]
        yield (
            f"{int((p <= LEVEL).sum())} of {len(p)} pairs of models are more alike than any pair "
            f"with the images of one model shuffled (p at most {LEVEL:g}, corrected for all "
            "pairs)."
        )
    if "p values" in mapped.attrs["left_out"]:
        yield f"There are no p values: {mapped.attrs['left_out']['p values']}."
    one, other = (mapped["similarity"].sel(aggregate=name).values for name in TITLES)
    first, second = np.triu_indices(mapped.sizes["model"], 1)
    if min(np.ptp(one[first, second]), np.ptp(other[first, second])) > 0:
        r = float(np.corrcoef(one[first, second], other[first, second])[0, 1])
        yield f"Over pairs of models the two aggregates correlate by {r:.2f}."


def clusters(mapped: xr.Dataset, aggregate: str) -> str:
    """The clusters of the trained models' tree, as many as their families, in a sentence."""
    chosen = trained_or_all(mapped)
    own = mapped.isel(model=chosen, other=chosen).sel(aggregate=aggregate)
    names, families = (own[key].values.tolist() for key in ("model", "family"))
    count = len(set(families))
    whose = "trained networks" if own["trained"].values.all() else "networks"
    if count < 2:
        return (
            f"All {len(names)} {whose} are of one family, {families[0]}. By {TITLES[aggregate]} "
            f"the two most alike are {_closest(own)}."
        )
    merges = cluster_models(own["similarity"].values).merges
    each = _members(names, cut_tree(merges, count))
    # One cluster per model separates the families, so there is such a number.
    pure = next(
        number
        for number in range(count, len(names) + 1)
        if all(len(set(one)) == 1 for one in _members(families, cut_tree(merges, number)))
    )
    return (
        f"The tree of the {len(names)} {whose} by {TITLES[aggregate]}, cut into {count} clusters "
        f"(one per family), gives: {'; '.join(map(', '.join, each))}. With {pure} or more clusters "
        "none mixes families."
    )


def _members(names: list[str], found: list[int]) -> list[list[str]]:
    """``names`` by cluster."""
    return [
        [name for name, one in zip(names, found, strict=True) if one == group]
        for group in dict.fromkeys(found)
    ]


def trained_or_all(mapped: xr.Dataset) -> np.ndarray:
    """Places of the trained models; of all where fewer than two are trained."""
    trained = np.flatnonzero(mapped["trained"].values)
    return trained if len(trained) > 1 else np.arange(mapped.sizes["model"])


def _closest(own: xr.Dataset) -> str:
    values, names = own["similarity"].values, own["model"].values.tolist()
    first, second = max(combinations(range(len(names)), 2), key=lambda pair: values[pair])
    return f"{names[first]} and {names[second]} ({values[first, second]:.2f})"


def kinds(mapped: xr.Dataset) -> Iterator[str]:
    """Mean similarity within and across families, trained and untrained models separately."""
    values = mapped["similarity"].sel(aggregate=MAIN).values
    family, trained = mapped["family"].values, mapped["trained"].values
    for state, name in ((True, "trained"), (False, "untrained")):
        own = np.flatnonzero(trained == state)
        pairs = list(combinations(own.tolist(), 2))
        same = [values[a, b] for a, b in pairs if family[a] == family[b]]
        apart = [values[a, b] for a, b in pairs if family[a] != family[b]]
        if same and apart:
            yield (
                f"Two {name} models of one family have a mean {TITLES[MAIN]} of "
                f"{np.mean(same):.2f} ({len(same)} pairs), two of different families "
                f"{np.mean(apart):.2f} ({len(apart)} pairs)."
            )


def figures(mapped: xr.Dataset) -> Iterator[Figure]:
    """A heatmap and its tree by each aggregate."""
    for aggregate, title in TITLES.items():
        yield render_figure(
            f"models-{slug(aggregate)}",
            draw.model_heatmap(mapped, aggregate),
            alt=clusters(mapped, aggregate),
            caption=f"{capitalize(title)} of every two models, in the order of the tree of average "
            "linkage. The strip beside it has one colour per family.",
            data="models",
            models=[str(name) for name in mapped["model"].values],
        )


def table(mapped: xr.Dataset) -> Table:
    """Every model with the most similar other one."""
    names = [str(name) for name in mapped["model"].values]
    rows: list[tuple[write.Cell, ...]] = []
    for place, name in enumerate(names):
        row: list[write.Cell] = [name, str(mapped["family"].values[place])]
        for aggregate in TITLES:
            own = mapped.sel(aggregate=aggregate)
            values = own["similarity"].values[place].copy()
            values[place] = -np.inf
            nearest = int(values.argmax())
            row += [names[nearest], float(values[nearest])]
            if "corrected" in mapped:
                row.append(float(own["corrected"].values[place, nearest]))
        rows.append(tuple(row))
    header = ["model", "family"]
    for title in ("aligned", "best match"):
        header += [f"most similar, {title}", "similarity"]
        header += ["p, corrected"] if "corrected" in mapped else []
    return Table(
        tuple(header), tuple(rows), caption="The most similar other model, by both aggregates."
    )


def _csv(mapped: xr.Dataset) -> Csv:
    parts = [name for name in ("similarity", "p", "corrected", "critical") if name in mapped]
    names = [str(name) for name in mapped["model"].values]
    columns = [(aggregate, part) for aggregate in TITLES for part in parts]
    values = [mapped[part].sel(aggregate=aggregate).values for aggregate, part in columns]
    rows = (
        (names[a], names[b], *(float(one[a, b]) for one in values))
        for a, b in combinations(range(len(names)), 2)
    )
    header = ("model", "other", *(f"{one}_{part}" for one, part in columns))
    return csv_file("models", "one line per pair of models, by both aggregates", header, rows)
