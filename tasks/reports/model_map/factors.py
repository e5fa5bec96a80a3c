"""The section on what explains how alike models are: a factor at a time."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.figures.model_map.model_heatmap import TITLES
from seelike.analysis.similarity.significance.permutation_tests import LEVEL
from seelike.storage.reports.write import Cell, Csv, Section, Table
from seelike.tasks.model_map.factors import FACTORS, copies
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.tables import as_csv
from seelike.tasks.reports.methods.model_map import explained_method
from seelike.tasks.reports.model_map.models import MAIN

_PARTS = ("models", "levels", "share", "f", "p", "permutations", "exact")


def section(mapped: xr.Dataset) -> Section:
    """Which factors explain the distances between models, and by how much."""
    tested = "factor_share" in mapped
    found = tuple(words(mapped))
    return Section(
        "What explains it",
        paragraphs=(*found, *left_out(mapped)),
        figures=(
            render_figure(
                "explained",
                draw.explained(mapped),
                alt=" ".join(found),
                caption="R² of each factor by itself, by both aggregates; hollow bars are not "
                f"told from chance (p above {LEVEL:g}).",
                data="factors",
                models=[str(name) for name in mapped["model"].values],
            ),
        )
        if tested
        else (),
        tables=(table(mapped),) if tested else (),
        method=explained_method(mapped) if tested else None,
    )


def words(mapped: xr.Dataset) -> Iterator[str]:
    """One sentence a factor, by the aggregate that words are about."""
    if "factor_share" not in mapped:
        return
    own = mapped.sel(aggregate=MAIN)
    for place, factor in enumerate(mapped["factor"].values):
        share, p, models, levels = (
            own[f"factor_{name}"].values[place] for name in ("share", "p", "models", "levels")
        )
        # What a share is beside that of levels given out at random: (levels - 1) / (models - 1).
        chance = (levels - 1) / (models - 1)
        verb = "explains" if p <= LEVEL else "is not told from chance; it takes"
        yield (
            f"{str(factor)[0].upper()}{str(factor)[1:]} {verb} {share:.0%} of the squared "
            f"distances of {int(models)} models in {int(levels)} levels (p = {_shown(p)}; levels "
            f"given out at random take {chance:.0%} on average)."
        )


def left_out(mapped: xr.Dataset) -> Iterator[str]:
    """Which factors were not tested, and why; which models count once."""
    known = mapped.attrs["left_out"]
    why = [f"{name} ({known[name]})" for name in ("what explains it", *FACTORS) if name in known]
    if why:
        yield f"Not tested: {'; '.join(why)}."
    same = copies(mapped.attrs["models"])
    there = {str(name) for name in mapped["model"].values}
    named = [f"{name} (as {other})" for name, other in same.items() if {name, other} <= there]
    if named and "factor_share" in mapped:
        yield f"Models that are the same network as another count once here: {', '.join(named)}."


def table(mapped: xr.Dataset) -> Table:
    """The numbers of every factor."""
    rows: list[tuple[Cell, ...]] = []
    for place, factor in enumerate(mapped["factor"].values):
        for aggregate in TITLES:
            own = mapped.sel(aggregate=aggregate)
            one = {name: own[f"factor_{name}"].values[place] for name in _PARTS}
            count = int(one["permutations"])
            rows.append(
                (
                    str(factor),
                    aggregate.replace("_", " "),
                    int(one["models"]),
                    int(one["levels"]),
                    float(one["share"]),
                    float(one["f"]) if np.isfinite(one["f"]) else None,
                    _shown(one["p"]),
                    f"all {count}" if one["exact"] else f"{count}, drawn",
                )
            )
    return Table(
        ("factor", "similarity", "models", "levels", "R²", "pseudo-F", "p", "permutations"),
        tuple(rows),
        caption="One factor at a time, of models of which it is known; a dash: models of one "
        "level do not differ at all.",
    )


def data(mapped: xr.Dataset) -> Iterator[Csv]:
    """The same as CSV."""
    if "factor_share" not in mapped:
        return
    rows = (
        (factor, aggregate, *(mapped[f"factor_{name}"].values[i, j].item() for name in _PARTS))
        for i, factor in enumerate(mapped["factor"].values)
        for j, aggregate in enumerate(mapped["aggregate"].values)
    )
    yield Csv(
        "factors",
        as_csv(("factor", "aggregate", *_PARTS), rows),
        "one line a factor and aggregate",
    )


def _shown(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"
