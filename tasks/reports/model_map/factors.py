"""Section on factors that explain how alike models are, one factor at a time."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.figures.model_map.model_heatmap import TITLES
from seelike.analysis.similarity.significance.permutation_tests import LEVEL
from seelike.storage.reports.write import Cell, Csv, Figure, Section, Table
from seelike.tasks.model_map.factors import FACTORS, copies
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.tables import csv_file
from seelike.tasks.reports.elements.wording import capitalize, join_names
from seelike.tasks.reports.methods.model_map import explained_method
from seelike.tasks.reports.model_map.models import MAIN

_PARTS = ("models", "levels", "share", "f", "p", "permutations", "exact")


def section(mapped: xr.Dataset) -> Section:
    """Build the section from a map's dataset."""
    tested = "factor_share" in mapped
    found = tuple(words(mapped))
    return Section(
        "Factors that explain it",
        paragraphs=(*found, *left_out(mapped)),
        figures=(_figure(mapped, alt=" ".join(found)),) if tested else (),
        tables=(table(mapped),) if tested else (),
        method=explained_method(mapped) if tested else None,
        data=(_csv(mapped),) if tested else (),
    )


def _figure(mapped: xr.Dataset, *, alt: str) -> Figure:
    return render_figure(
        "explained",
        draw.explained(mapped),
        alt=alt,
        caption="R² of each factor by itself, by both aggregates. Hollow bars are not significant "
        f"(p above {LEVEL:g}).",
        data="factors",
        models=[str(name) for name in mapped["model"].values],
    )


def words(mapped: xr.Dataset) -> Iterator[str]:
    """Whether each factor is significant, by the main aggregate."""
    if "factor_share" not in mapped:
        return
    p = mapped["factor_p"].sel(aggregate=MAIN).values
    for significant, verb in ((True, "explain"), (False, "do not explain")):
        names = [
            str(name)
            for name, value in zip(mapped["factor"].values, p, strict=True)
            if (value <= LEVEL) == significant
        ]
        if names:
            verb = verb if len(names) > 1 else {"explain": "explains"}.get(verb, "does not explain")
            yield (
                f"{capitalize(join_names(names))} {verb} a significant share of the squared "
                "distances between models."
            )


def _by_chance(levels: float, models: float) -> float:
    """R² expected of levels assigned at random."""
    return float((levels - 1) / (models - 1))


def left_out(mapped: xr.Dataset) -> Iterator[str]:
    """Factors that were not tested, and why; models that count once."""
    known = mapped.attrs["left_out"]
    why = [f"{name} ({known[name]})" for name in ("what explains it", *FACTORS) if name in known]
    if why:
        yield f"Not tested: {'; '.join(why)}."
    same = copies(mapped.attrs["models"])
    there = {str(name) for name in mapped["model"].values}
    named = [f"{name} (as {other})" for name, other in same.items() if {name, other} <= there]
    if named and "factor_share" in mapped:
        yield f"Models with the same network as another one count once here: {', '.join(named)}."


def table(mapped: xr.Dataset) -> Table:
    """Numbers of every factor by both aggregates."""
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
                    _by_chance(one["levels"], one["models"]),
                    float(one["f"]) if np.isfinite(one["f"]) else None,
                    _shown(one["p"]),
                    f"all {count}" if one["exact"] else f"{count}, random",
                )
            )
    return Table(
        (
            "factor",
            "similarity",
            "models",
            "levels",
            "R²",
            "by chance",
            "pseudo-F",
            "p",
            "permutations",
        ),
        tuple(rows),
        caption="One factor at a time, over the models for which it is known. By chance: R² "
        "expected of levels assigned at random. A dash: models of one level do not differ at all.",
    )


def _csv(mapped: xr.Dataset) -> Csv:
    rows = (
        (factor, aggregate, *(mapped[f"factor_{name}"].values[i, j].item() for name in _PARTS))
        for i, factor in enumerate(mapped["factor"].values)
        for j, aggregate in enumerate(mapped["aggregate"].values)
    )
    header = ("factor", "aggregate", *_PARTS)
    return csv_file("factors", "one line per factor and aggregate", header, rows)


def _shown(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"
