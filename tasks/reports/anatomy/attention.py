"""Section on attention distance (E3): figures, claims, numbers by block."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.experiments.attention import attention_cases, ends, uniform
from seelike.analysis.claims.results import ModelResult
from seelike.storage.digest import slug
from seelike.storage.reports import write
from seelike.storage.reports.write import Figure, Section, Table
from seelike.tasks.reports.anatomy.section import section_of
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import (
    AnalysisResults,
    curves,
    mean_of,
    sentences,
)

ANALYSIS = "attention"
# Titles of both definitions; they agree for networks without a class token.
DEFINITIONS = {"plain": "class token as no distance", "renormalised": "among patches alone"}
UNIFORM = "uniform attention"


def section(results: AnalysisResults) -> Section:
    """Build the section."""
    each = results.each
    return section_of(
        results,
        "Attention distance",
        "Mean distance, in pixels of the input, over which the patches of a head attend to other "
        "patches. Attention to a class token counts as no distance, or rows are renormalised "
        "without it.",
        checks=results.checks_of(attention_cases(each)),
        figures=(figure for model in each for figure in figures(model)),
        tables=(table(each),) if each else (),
        data=(
            results.csv(
                ANALYSIS,
                "one line per head: its mean attention distance in pixels",
                labels=("block", "head_number", "plain_uniform", "renormalised_uniform"),
                variables=("plain", "renormalised"),
            ),
        ),
    )


def figures(one: ModelResult) -> Iterator[Figure]:
    """Sorted heads of the lowest and highest blocks, then the heads of all blocks."""
    low, high = ends(one.own)
    chosen = sorted(set(one.own["block_number"].values[low | high].tolist())) or [0]
    yield render_figure(
        f"heads-{slug(one.model)}",
        draw.panels(
            [
                draw.Panel(
                    title,
                    "mean attention distance (pixels)",
                    [curve for block in chosen for curve in _sorted(one, name, block)],
                    level=uniform(one.own, name),
                )
                for name, title in definitions(one).items()
            ],
            along="heads, sorted by distance",
            level=UNIFORM if uniform(one.own, "plain") is not None else "",
        ),
        alt=sentences(attention_cases([one]), f"Heads of {one.model}."),
        caption=f"Heads of the lowest and highest blocks of {one.model}, sorted by mean "
        "attention distance. Bands are 95 % intervals over images.",
        data=ANALYSIS,
        models=[one.model],
    )
    yield render_figure(
        f"heads-of-all-blocks-{slug(one.model)}",
        draw.heads_by_block(
            [(title, _heads(one, name)) for name, title in definitions(one).items()]
        ),
        alt=_block_words(one),
        caption=f"Every head of every block of {one.model}. Lines are 95 % intervals over images.",
        data=ANALYSIS,
        models=[one.model],
    )


def _block_words(one: ModelResult) -> str:
    """Distances of the nearest and the farthest head of the first and the last block."""
    number, distance = one.own["block_number"].values, one.own["plain"].values
    near = [
        f"{distance[number == block].min():.1f} to {distance[number == block].max():.1f} pixels "
        f"in block {block}"
        for block in dict.fromkeys((0, int(number.max())))
    ]
    return f"Heads of {one.model} attend {' and '.join(near)} on average."


def definitions(one: ModelResult) -> dict[str, str]:
    """Both definitions with their titles; one for networks without a class token."""
    same = np.array_equal(one.own["plain_uniform"], one.own["renormalised_uniform"])
    return {"plain": "between patches"} if same else DEFINITIONS


def _sorted(one: ModelResult, name: str, block: int) -> Iterator[draw.Curve]:
    def ranked(dataset: xr.Dataset) -> xr.Dataset:
        own = dataset.isel(head=np.flatnonzero(dataset["block_number"].values == block))
        own = own.isel(head=np.argsort(own[name].values, kind="stable"))
        return own.assign_coords(rank=("head", np.arange(1, own.sizes["head"] + 1)))

    twin = None if one.untrained is None else ranked(one.untrained)
    model = ModelResult(one.model, one.family, ranked(one.own), twin)
    return curves(
        model,
        name,
        f"block {block}",
        at="rank",
        where=lambda dataset: np.ones(dataset.sizes["head"], bool),
    )


def _heads(one: ModelResult, name: str) -> draw.Heads:
    own = one.own
    return draw.Heads(
        own["block_number"].values,
        own[name].values,
        own[f"{name}_low"].values if f"{name}_low" in own else None,
        own[f"{name}_high"].values if f"{name}_low" in own else None,
        uniform=own[f"{name}_uniform"].values,
        untrained=None if one.untrained is None else one.untrained[name].values,
    )


def table(each: list[ModelResult]) -> Table:
    """Mean distance over the heads of every block, by both definitions, and of the baseline."""
    rows: list[tuple[write.Cell, ...]] = []
    for one in each:
        number = one.own["block_number"].values
        for block in range(number.max() + 1):
            mine = number == block
            rows.append(
                (
                    one.model,
                    str(one.own["block"].values[mine][0]),
                    *(mean_of(one.own, name, mine) for name in DEFINITIONS),
                    mean_of(one.untrained, "plain", mine),
                    float(one.own["plain_uniform"].values[mine][0]),
                )
            )
    return Table(
        ("model", "attention", "mean distance", "renormalised", "untrained baseline", UNIFORM),
        tuple(rows),
        caption="Mean attention distance over a block's heads in pixels, with 95 % intervals over "
        "images, and that of uniform attention to all tokens.",
        decimals=2,
    )
