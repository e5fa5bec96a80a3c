"""The section on attention distance (E3): figures, the study's claims, numbers by block."""

from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr

from analysis import figures as draw
from analysis.claims.needs import partial
from analysis.similarity import Resampled
from storage import reports
from storage.digest import slug
from storage.reports import Check, Csv, Figure, Section, Table
from tasks.drawn import drawn
from tasks.looked import (
    Looked,
    Side,
    check,
    curves,
    framed,
    lines,
    looked,
    mean_of,
    numbers,
    side,
    words,
)
from tasks.references import AnatomyReference
from tasks.relations import Relations

ANALYSIS = "attention"
# How the two ways of counting are called; the second is the same where there are no such tokens.
WAYS = {"plain": "class token as no distance", "renormalised": "among patches alone"}
ALL_ALIKE = "attention to all tokens alike"


def section(reference: AnatomyReference) -> Section:
    """What was found of attention distance."""
    each = looked(reference, ANALYSIS)
    found = all_claims(each)
    return framed(
        reference,
        ANALYSIS,
        "Attention distance",
        "How far, in pixels of the input, a head's patches attend on average; patches alone "
        "have a place. What goes to a class token counts as no distance, or rows are "
        "renormalised without it.",
        checks=found,
        figures=(figure for model in each for figure in figures(model)),
        table=table(each) if each else None,
    )


def data(reference: AnatomyReference) -> Iterator[Csv]:
    """A line a head."""
    text = lines(
        reference,
        ANALYSIS,
        labels=("block", "head_number", "plain_uniform", "renormalised_uniform"),
        variables=("plain", "renormalised"),
    )
    yield Csv("attention", text, "one line a head: its mean attention distance in pixels")


def all_claims(each: list[Looked]) -> list[Check]:
    """The claims on every model trained on all of its data, then those on less data."""
    whole = [one for one in each if not partial(one.facts)]
    return [*(check for one in whole for check in claims(one)), *less_data(each)]


def less_data(each: list[Looked]) -> Iterator[Check]:
    """That a ViT lacks local heads where it saw little data: of each the least, beside all."""
    trained = (one for one in each if one.facts.get("trained"))
    able = {one.model: one for one in trained if ends(one.own)[0].any()}
    known = Relations({name: one.facts for name, one in able.items()})
    least: dict[str, Looked] = {}
    for one in sorted(able.values(), key=lambda one: one.facts["origin"]["fraction"] or 1.0):
        for full in known.full(one.model)[:1]:
            least.setdefault(full, one)
    nearest = _number(np.min)
    for full, part in least.items():
        yield check(
            "E3-data",
            "distance in pixels of the most local head of the lowest blocks",
            Side(part.model, nearest(part.own, ends(part.own)[0]), None),
            Side(full, nearest(able[full].own, ends(able[full].own)[0]), None),
        )


def claims(one: Looked) -> Iterator[Check]:
    """What the study says of the lowest and the highest blocks, where all see the whole image."""
    if not ends(one.own)[0].any() or uniform(one, "plain") is None:
        return
    nearest, apart = _number(np.min), _number(np.ptp)
    yield check(
        "E3-local",
        f"distance in pixels of the most local head of {one.model}, which is taken to be local "
        "where it is below half the distance of attention to all tokens alike",
        side(one, "half of attention to all alike", _half_of_uniform),
        side(one, "lowest blocks", lambda d: nearest(d, ends(d)[0])),
    )
    yield check(
        "E3-highest",
        f"distance in pixels of the most local head of {one.model}",
        side(one, "highest blocks", lambda d: nearest(d, ends(d)[1])),
        side(one, "lowest blocks", lambda d: nearest(d, ends(d)[0])),
    )
    yield check(
        "E3-apart",
        f"pixels from the most local to the most global head of {one.model}",
        side(one, "lowest blocks", lambda d: apart(d, ends(d)[0])),
        side(one, "highest blocks", lambda d: apart(d, ends(d)[1])),
    )


def ends(dataset: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Which heads are of the lowest two blocks, and of the highest two; fewer of a small model."""
    block = dataset["block_number"].values
    count = block.max() + 1
    each = min(2, count // 2)
    return block < each, block >= count - each


def _number(kind: Callable[..., np.ndarray]) -> Callable[[xr.Dataset, np.ndarray], Resampled]:
    def number(dataset: xr.Dataset, rows: np.ndarray) -> Resampled:
        return numbers(dataset, "plain").of(lambda each: kind(each[:, rows], axis=1))

    return number


def _half_of_uniform(dataset: xr.Dataset) -> Resampled:
    half = dataset["plain_uniform"].values[0] / 2
    return numbers(dataset, "plain").of(lambda each: np.full(len(each), half))


def figures(one: Looked) -> Iterator[Figure]:
    """Sorted heads of the lowest and highest blocks, then the heads of all blocks."""
    low, high = ends(one.own)
    chosen = sorted(set(one.own["block_number"].values[low | high].tolist())) or [0]
    yield drawn(
        f"heads-{slug(one.model)}",
        draw.panels(
            [
                draw.Panel(
                    title,
                    "mean attention distance (pixels)",
                    [curve for block in chosen for curve in _sorted(one, way, block)],
                    level=uniform(one, way),
                )
                for way, title in ways(one).items()
            ],
            along="heads, sorted by distance",
            level=ALL_ALIKE if uniform(one, "plain") is not None else "",
        ),
        alt=" ".join(words(found) for found in claims(one)) or f"Heads of {one.model}.",
        caption=f"Heads of the lowest and highest blocks of {one.model}, each block's sorted by "
        "their mean attention distance; bands are 95 % intervals over images.",
        data=ANALYSIS,
        models=[one.model],
    )
    yield drawn(
        f"heads-of-all-blocks-{slug(one.model)}",
        draw.heads_by_block([(title, _heads(one, way)) for way, title in ways(one).items()]),
        alt=_block_words(one),
        caption=f"Every head of every block of {one.model}; lines are 95 % intervals over images.",
        data=ANALYSIS,
        models=[one.model],
    )


def _block_words(one: Looked) -> str:
    """How far the heads of the blocks at both ends attend, nearest and farthest."""
    number, distance = one.own["block_number"].values, one.own["plain"].values
    near = [
        f"{distance[number == block].min():.1f} to {distance[number == block].max():.1f} pixels "
        f"in block {block}"
        for block in dict.fromkeys((0, int(number.max())))
    ]
    return f"Heads of {one.model} attend {' and '.join(near)} on average."


def ways(one: Looked) -> dict[str, str]:
    """Both ways of counting; one where there are no tokens but patches."""
    same = np.array_equal(one.own["plain_uniform"], one.own["renormalised_uniform"])
    return {"plain": "between patches"} if same else WAYS


def uniform(one: Looked, way: str) -> float | None:
    """The distance of attention to all tokens alike; None where windows make it several."""
    distances = one.own[f"{way}_uniform"].values
    return float(distances[0]) if np.ptp(distances) == 0 else None


def _sorted(one: Looked, way: str, block: int) -> Iterator[draw.Curve]:
    def ranked(dataset: xr.Dataset) -> xr.Dataset:
        own = dataset.isel(head=np.flatnonzero(dataset["block_number"].values == block))
        own = own.isel(head=np.argsort(own[way].values, kind="stable"))
        return own.assign_coords(rank=("head", np.arange(1, own.sizes["head"] + 1)))

    twin = None if one.twin is None else ranked(one.twin)
    model = Looked(one.model, one.family, ranked(one.own), twin)
    return curves(
        model,
        way,
        f"block {block}",
        at="rank",
        where=lambda dataset: np.ones(dataset.sizes["head"], bool),
    )


def _heads(one: Looked, way: str) -> draw.Heads:
    own = one.own
    return draw.Heads(
        own["block_number"].values,
        own[way].values,
        own[f"{way}_low"].values if f"{way}_low" in own else None,
        own[f"{way}_high"].values if f"{way}_low" in own else None,
        uniform=own[f"{way}_uniform"].values,
        untrained=None if one.twin is None else one.twin[way].values,
    )


def table(each: list[Looked]) -> Table:
    """By block: the mean distance over its heads, both ways, and its untrained twin's."""
    rows: list[tuple[reports.Cell, ...]] = []
    for one in each:
        number = one.own["block_number"].values
        for block in range(number.max() + 1):
            mine = number == block
            rows.append(
                (
                    one.model,
                    str(one.own["block"].values[mine][0]),
                    *(mean_of(one.own, way, mine) for way in WAYS),
                    None if one.twin is None else mean_of(one.twin, "plain", mine),
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
