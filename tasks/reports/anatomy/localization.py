"""The section on localization (E8, E9): what tokens resemble, scores by depth, claims."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.experiments.localization import (
    blocks_of,
    localization_cases,
    looked_at,
)
from seelike.analysis.claims.results import ModelResult
from seelike.storage.digest import slug
from seelike.storage.reports import write
from seelike.storage.reports.write import Csv, Figure, Section, Table
from seelike.tasks.anatomy.localization import EMBEDDING, INSIDE, PIXELS, SCORES
from seelike.tasks.reports.anatomy.localization_maps import maps
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

ANALYSIS = "localization"
PANELS = {
    "share": ("Own patch is the first", "share of tokens"),
    "place": ("Place of the own patch", "0 the first, 1 the last"),
    "z": ("Own patch above the others", "standard deviations"),
}
# Of the place of the own patch and its standard score, where tokens know nothing of patches.
CHANCE = {"place": 0.5, "z": 0.0}


def section(reference: AnatomyResult) -> Section:
    """What was found of localization."""
    each = load_results(reference, ANALYSIS)
    return section_of(
        reference,
        ANALYSIS,
        "Where tokens look",
        "CKA of every token of a layer, or location of a map, with every patch of the input over "
        "the same images. A layer keeps locations where a token's own patch is the one it "
        "resembles most. Maps finer than 16 x 16 are put together onto a grid that divides them.",
        checks=checks_of(localization_cases(each), each),
        figures=figures(each),
        table=table(each) if each else None,
    )


def data(reference: AnatomyResult) -> Iterator[Csv]:
    """A line a layer and kind of patches."""
    text = lines(
        reference,
        ANALYSIS,
        labels=("tap", "patches", "depth", "rows", "columns", "varying"),
        variables=(*SCORES, *INSIDE),
    )
    yield Csv("localization", text, "one line a layer and kind of patches: scores of its tokens")


def figures(each: Sequence[ModelResult]) -> Iterator[Figure]:
    """Scores of all models along depth, then of each model heatmaps of the tokens chosen."""
    if each:
        placed = [
            replace(
                one,
                own=_placed(one.own),
                untrained=None if one.untrained is None else _placed(one.untrained),
            )
            for one in each
        ]
        yield render_figure(
            "localization-by-depth",
            draw.panels(
                [_panel(placed, name) for name in PANELS],
                along="depth (0 input, 1 output)",
                level="by chance",
            ),
            alt=sentences(localization_cases(each), "Localization by depth."),
            caption="How well each block's tokens keep their locations, against raw pixels; bands "
            "are 95 % intervals over groups of images. The share is by chance one over the "
            "number of patches.",
            data=ANALYSIS,
        )
    for one in each:
        yield render_figure(
            f"tokens-{slug(one.model)}",
            draw.place_maps(list(maps(one))),
            alt=_share_words(one),
            caption=f"CKA of tokens of {one.model} with every patch of the input; the own patch is "
            "outlined. One colour scale.",
            models=[one.model],
        )


def _share_words(one: ModelResult) -> str:
    """Of how many tokens the own patch is the first, in the row looked at closely."""
    row = looked_at(one.own)
    share, tap = float(one.own["share"].values[row][0]), str(one.own["tap"].values[row][0])
    return (
        f"{one.model}: of {share:.0%} of the tokens of {tap} no patch of the input is more similar "
        "than the own one."
    )


def _panel(each: Sequence[ModelResult], name: str) -> draw.Panel:
    drawn_ = [c for one in each for c in curves(one, name, one.model, at="depth", where=blocks_of)]
    return draw.Panel(*PANELS[name], drawn_, level=CHANCE.get(name))


def _placed(dataset: xr.Dataset) -> xr.Dataset:
    """With the mean rank of the own patch as a place from 0 to 1, whatever the grid."""
    of = dataset["varying"] - 1
    ends = [end for end in ("", "_low", "_high") if f"rank{end}" in dataset]
    return dataset.assign({f"place{end}": (dataset[f"rank{end}"] - 1) / of for end in ends})


def table(each: Sequence[ModelResult]) -> Table:
    """By block: the scores against both kinds of patches, and the untrained twin's."""
    rows: list[tuple[write.Cell, ...]] = []
    for one in each:
        for row in np.flatnonzero(blocks_of(one.own)):
            tap = one.own["tap"].values[row]
            pixels, embedded = (_same(one.own, tap, kind) for kind in (PIXELS, EMBEDDING))
            rows.append(
                (
                    one.model,
                    str(tap),
                    f"{one.own['rows'].values[row]} x {one.own['columns'].values[row]}",
                    mean_of(one.own, "share", pixels),
                    mean_of(one.own, "soft", pixels),
                    None
                    if one.untrained is None
                    else mean_of(one.untrained, "soft", _same(one.untrained, tap, PIXELS)),
                    mean_of(one.own, "soft", embedded),
                    mean_of(one.own, "rank", pixels),
                    mean_of(one.own, "z", pixels),
                )
            )
    return Table(
        (
            "model",
            "block",
            "grid",
            "own patch first",
            "softly",
            "softly, untrained",
            "softly, embedded patches",
            "mean rank",
            "z-score",
        ),
        tuple(rows),
        caption="Share of tokens whose own patch is the most similar of all, counted, and softly "
        "(claims are about this one, which is smooth), against pixels and against embedded "
        "patches; mean rank and standard score of the own patch against pixels; with 95 % "
        "intervals over groups of images.",
        decimals=2,
    )


def _same(dataset: xr.Dataset, tap: str, patches: str) -> np.ndarray:
    rows: np.ndarray = (dataset["tap"].values == tap) & (dataset["patches"].values == patches)
    return rows
