"""Section on localization (E8, E9): similarity of tokens to patches of the input, claims."""

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
from seelike.storage.reports.write import Figure, Section, Table
from seelike.tasks.anatomy.localization import EMBEDDING, INSIDE, PIXELS, SCORES
from seelike.tasks.reports.anatomy.localization_maps import maps
from seelike.tasks.reports.anatomy.section import section_of
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import (
    AnalysisResults,
    curves,
    mean_of,
    sentences,
)

ANALYSIS = "localization"
PANELS = {
    "share": ("Own patch most similar", "share of tokens"),
    "place": ("Place of the own patch", "0 the first, 1 the last"),
    "z": ("Own patch above the others", "standard deviations"),
}
# Place and standard score of the own patch for tokens that are independent of the patches.
CHANCE = {"place": 0.5, "z": 0.0}


def section(results: AnalysisResults) -> Section:
    """Build the section."""
    each = results.each
    return section_of(
        results,
        "Localization of tokens",
        "CKA of every token of a layer, or location of a map, with every patch of the input over "
        "the same images. A layer keeps locations where a token is most similar to its own patch. "
        "Maps finer than 16 x 16 are pooled onto a grid that divides them.",
        checks=results.checks_of(localization_cases(each)),
        figures=figures(each),
        tables=(table(each),) if each else (),
        data=(
            results.csv(
                ANALYSIS,
                "one line per layer and kind of patches: scores of its tokens",
                labels=("tap", "patches", "depth", "rows", "columns", "varying"),
                variables=(*SCORES, *INSIDE),
            ),
        ),
    )


def figures(each: Sequence[ModelResult]) -> Iterator[Figure]:
    """Scores of all models along depth, then heatmaps of some tokens of each model."""
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
            caption="How well the tokens of each block keep their locations, against raw pixels. "
            "Bands are 95 % intervals over groups of images. The share expected by chance is one "
            "over the number of patches.",
            data=ANALYSIS,
        )
    for one in each:
        yield render_figure(
            f"tokens-{slug(one.model)}",
            draw.place_maps(list(maps(one))),
            alt=_share_words(one),
            caption=f"CKA of tokens of {one.model} with every patch of the input. A token's own "
            "patch is outlined. One colour scale.",
            models=[one.model],
        )


def _share_words(one: ModelResult) -> str:
    """Share of tokens that are most similar to their own patch, for alternative text."""
    row = looked_at(one.own)
    share, tap = float(one.own["share"].values[row][0]), str(one.own["tap"].values[row][0])
    return (
        f"{one.model}: {share:.0%} of the tokens of {tap} are most similar to their own patch of "
        "the input."
    )


def _panel(each: Sequence[ModelResult], name: str) -> draw.Panel:
    lines = [c for one in each for c in curves(one, name, one.model, at="depth", where=blocks_of)]
    return draw.Panel(*PANELS[name], lines, level=CHANCE.get(name))


def _placed(dataset: xr.Dataset) -> xr.Dataset:
    """Add the mean rank of the own patch as a place from 0 to 1, whatever the grid."""
    of = dataset["varying"] - 1
    ends = [end for end in ("", "_low", "_high") if f"rank{end}" in dataset]
    return dataset.assign({f"place{end}": (dataset[f"rank{end}"] - 1) / of for end in ends})


def table(each: Sequence[ModelResult]) -> Table:
    """Scores of every block against both kinds of patches, and of the untrained baseline."""
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
            "own patch most similar",
            "softmax score",
            "softmax score, untrained",
            "softmax score, embedded patches",
            "mean rank",
            "z-score",
        ),
        tuple(rows),
        caption="Share of tokens that are most similar to their own patch; its softmax score, "
        "which is smooth and which claims use, against pixels and against embedded patches; mean "
        "rank and standard score of the own patch against pixels. With 95 % intervals over groups "
        "of images.",
        decimals=2,
    )


def _same(dataset: xr.Dataset, tap: str, patches: str) -> np.ndarray:
    rows: np.ndarray = (dataset["tap"].values == tap) & (dataset["patches"].values == patches)
    return rows
