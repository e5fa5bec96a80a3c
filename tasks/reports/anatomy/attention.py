"""The section on attention distance (E3): figures, the study's claims, numbers by block."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.experiments.attention import attention_cases, ends, uniform
from seelike.analysis.claims.results import ModelResult
from seelike.storage.digest import slug
from seelike.storage.reports import write
from seelike.storage.reports.write import Csv, Figure, Section, Table
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import (
    checks_of,
    curves,
    lines,
    load_results,
    mean_of,
    section_of,
    sentences,
)
from seelike.tasks.results import AnatomyResult

ANALYSIS = "attention"
# How the two ways of counting are called; the second is the same where there are no such tokens.
WAYS = {"plain": "class token as no distance", "renormalised": "among patches alone"}
ALL_ALIKE = "attention to all tokens alike"


def section(reference: AnatomyResult) -> Section:
    """What was found of attention distance."""
    each = load_results(reference, ANALYSIS)
    return section_of(
        reference,
        ANALYSIS,
        "Attention distance",
        "How far, in pixels of the input, a head's patches attend on average; patches alone "
        "have a place. What goes to a class token counts as no distance, or rows are "
        "renormalised without it.",
        checks=checks_of(attention_cases(each), each),
        figures=(figure for model in each for figure in figures(model)),
        table=table(each) if each else None,
    )


def data(reference: AnatomyResult) -> Iterator[Csv]:
    """A line a head."""
    text = lines(
        reference,
        ANALYSIS,
        labels=("block", "head_number", "plain_uniform", "renormalised_uniform"),
        variables=("plain", "renormalised"),
    )
    yield Csv("attention", text, "one line a head: its mean attention distance in pixels")


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
                    [curve for block in chosen for curve in _sorted(one, way, block)],
                    level=uniform(one.own, way),
                )
                for way, title in ways(one).items()
            ],
            along="heads, sorted by distance",
            level=ALL_ALIKE if uniform(one.own, "plain") is not None else "",
        ),
        alt=sentences(attention_cases([one]), f"Heads of {one.model}."),
        caption=f"Heads of the lowest and highest blocks of {one.model}, each block's sorted by "
        "their mean attention distance; bands are 95 % intervals over images.",
        data=ANALYSIS,
        models=[one.model],
    )
    yield render_figure(
        f"heads-of-all-blocks-{slug(one.model)}",
        draw.heads_by_block([(title, _heads(one, way)) for way, title in ways(one).items()]),
        alt=_block_words(one),
        caption=f"Every head of every block of {one.model}; lines are 95 % intervals over images.",
        data=ANALYSIS,
        models=[one.model],
    )


def _block_words(one: ModelResult) -> str:
    """How far the heads of the blocks at both ends attend, nearest and farthest."""
    number, distance = one.own["block_number"].values, one.own["plain"].values
    near = [
        f"{distance[number == block].min():.1f} to {distance[number == block].max():.1f} pixels "
        f"in block {block}"
        for block in dict.fromkeys((0, int(number.max())))
    ]
    return f"Heads of {one.model} attend {' and '.join(near)} on average."


def ways(one: ModelResult) -> dict[str, str]:
    """Both ways of counting; one where there are no tokens but patches."""
    same = np.array_equal(one.own["plain_uniform"], one.own["renormalised_uniform"])
    return {"plain": "between patches"} if same else WAYS


def _sorted(one: ModelResult, way: str, block: int) -> Iterator[draw.Curve]:
    def ranked(dataset: xr.Dataset) -> xr.Dataset:
        own = dataset.isel(head=np.flatnonzero(dataset["block_number"].values == block))
        own = own.isel(head=np.argsort(own[way].values, kind="stable"))
        return own.assign_coords(rank=("head", np.arange(1, own.sizes["head"] + 1)))

    twin = None if one.untrained is None else ranked(one.untrained)
    model = ModelResult(one.model, one.family, ranked(one.own), twin)
    return curves(
        model,
        way,
        f"block {block}",
        at="rank",
        where=lambda dataset: np.ones(dataset.sizes["head"], bool),
    )


def _heads(one: ModelResult, way: str) -> draw.Heads:
    own = one.own
    return draw.Heads(
        own["block_number"].values,
        own[way].values,
        own[f"{way}_low"].values if f"{way}_low" in own else None,
        own[f"{way}_high"].values if f"{way}_low" in own else None,
        uniform=own[f"{way}_uniform"].values,
        untrained=None if one.untrained is None else one.untrained[way].values,
    )


def table(each: list[ModelResult]) -> Table:
    """By block: the mean distance over its heads, both ways, and its untrained twin's."""
    rows: list[tuple[write.Cell, ...]] = []
    for one in each:
        number = one.own["block_number"].values
        for block in range(number.max() + 1):
            mine = number == block
            rows.append(
                (
                    one.model,
                    str(one.own["block"].values[mine][0]),
                    *(mean_of(one.own, way, mine) for way in WAYS),
                    None if one.untrained is None else mean_of(one.untrained, "plain", mine),
                    float(one.own["plain_uniform"].values[mine][0]),
                )
            )
    return Table(
        ("model", "attention", "mean distance", "renormalised", "untrained twin", "all alike"),
        tuple(rows),
        caption="Mean attention distance over a block's heads in pixels, with 95 % intervals over "
        "images, and that of attention to all tokens alike.",
        decimals=2,
    )
