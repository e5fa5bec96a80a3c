"""The section on whole models: how alike they are, which cluster, and what is beyond chance."""

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
from seelike.tasks.reports.elements.tables import as_csv
from seelike.tasks.reports.methods.model_map import models_method

# The aggregate that words are about; the other one stands beside it.
MAIN = "aligned"
# So many models have a row each.
_ROWS = 60


def section(mapped: xr.Dataset) -> Section:
    """How alike models are, by both aggregates."""
    return Section(
        "How alike whole models are",
        paragraphs=tuple(words(mapped)),
        figures=tuple(figures(mapped)) if "merges" in mapped else (),
        tables=(table(mapped),) if 1 < mapped.sizes["model"] <= _ROWS else (),
        method=models_method(mapped),
    )


def words(mapped: xr.Dataset) -> Iterator[str]:
    """What clusters with what, and what of it is more than chance."""
    if mapped.sizes["model"] < 2:
        yield "One model: there is no other that it could be like."
        return
    yield clusters(mapped, MAIN)
    yield from kinds(mapped)
    if "corrected" in mapped:
        first, second = np.triu_indices(mapped.sizes["model"], 1)
        p = mapped["corrected"].sel(aggregate=MAIN).values[first, second]
        yield (
            f"Of {len(p)} pairs of models {int((p <= LEVEL).sum())} are more alike than any pair "
            f"is when the images of one model are shuffled (p at most {LEVEL:g}, corrected for "
            "all pairs)."
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
            f"All {len(names)} {whose} are of one family, {families[0]}; by {TITLES[aggregate]} "
            f"the two most alike are {_closest(own)}."
        )
    merges = cluster_models(own["similarity"].values).merges
    each = _members(names, cut_tree(merges, count))
    # Each model a cluster parts families, so there is such a number.
    pure = next(
        number
        for number in range(count, len(names) + 1)
        if all(len(set(one)) == 1 for one in _members(families, cut_tree(merges, number)))
    )
    return (
        f"The tree of the {len(names)} {whose} by {TITLES[aggregate]}, cut into {count} clusters, "
        f"as many as there are families, parts them so: {'; '.join(map(', '.join, each))}. "
        f"From {pure} clusters on no two families share one."
    )


def _members(names: list[str], found: list[int]) -> list[list[str]]:
    """Those of ``names`` in each cluster."""
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
    """Mean similarity of two models of one family and of two, trained and untrained apart."""
    values = mapped["similarity"].sel(aggregate=MAIN).values
    family, trained = mapped["family"].values, mapped["trained"].values
    for state, called in ((True, "trained"), (False, "untrained")):
        own = np.flatnonzero(trained == state)
        pairs = list(combinations(own.tolist(), 2))
        same = [values[a, b] for a, b in pairs if family[a] == family[b]]
        apart = [values[a, b] for a, b in pairs if family[a] != family[b]]
        if same and apart:
            yield (
                f"Two {called} models of one family have a mean {TITLES[MAIN]} of "
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
            caption=f"{title[0].upper()}{title[1:]} of every two models, in the order of the tree "
            "of average linkage; the strip beside it has a colour a family.",
            data="models",
            models=[str(name) for name in mapped["model"].values],
        )


def table(mapped: xr.Dataset) -> Table:
    """Every model with the one it is most like."""
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
        header += [f"most like it, {title}", "similarity"]
        header += ["p, corrected"] if "corrected" in mapped else []
    return Table(tuple(header), tuple(rows), caption="The model that each one is most like.")


def data(mapped: xr.Dataset) -> Iterator[Csv]:
    """Every two models with their similarities and p values."""
    parts = [name for name in ("similarity", "p", "corrected", "critical") if name in mapped]
    names = [str(name) for name in mapped["model"].values]
    columns = [(aggregate, part) for aggregate in TITLES for part in parts]
    values = [mapped[part].sel(aggregate=aggregate).values for aggregate, part in columns]
    rows = (
        (names[a], names[b], *(float(one[a, b]) for one in values))
        for a, b in combinations(range(len(names)), 2)
    )
    header = ("model", "other", *(f"{one}_{part}" for one, part in columns))
    yield Csv("models", as_csv(header, rows), "one line a pair of models, by both aggregates")
