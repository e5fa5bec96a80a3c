"""The section on networks without the skips of one block (after E7)."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from seelike.analysis import figures as draw
from seelike.analysis.claims.findings import format_estimate
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.similarity import Estimate
from seelike.storage.digest import slug
from seelike.storage.reports import write
from seelike.storage.reports.write import Csv, Figure, Section, Table
from seelike.tasks.reports.elements.claims import cell
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import lines, load_results, numbers, section_of
from seelike.tasks.results import AnatomyResult

ANALYSIS = "ablation"
# Shares of n images that differ do so by 1 / n; sums over batches leave less to rounding.
_EQUAL = 1e-9
SHARES = {"accuracy": "share of right predictions", "agreement": "share of same predictions"}


def section(reference: AnatomyResult) -> Section:
    """What was found of networks without skips."""
    each = load_results(reference, ANALYSIS)
    models = own_models(reference)
    return section_of(
        reference,
        ANALYSIS,
        "Without the skips of one block",
        "The trained network, its skips around one block taken away at inference. The study "
        "trains networks anew without them (E7), so its numbers are no check of these.",
        sentences=map(words, each),
        figures=(figure(one, models=models) for one in each),
        table=table(each) if each else None,
    )


def own_models(reference: AnatomyResult) -> list[str]:
    """The study's own models in its order, also those that lack the part."""
    names = (one.plan.name for one in reference.found if not one.plan.subject.baseline_of)
    return list(dict.fromkeys(names))


def data(reference: AnatomyResult) -> Iterator[Csv]:
    """A line a network, and a line a tap of each."""
    yield Csv(
        "without-skips",
        lines(reference, ANALYSIS, labels=("block",), variables=tuple(SHARES)),
        "one line a block without skips: share of predictions that stay, that are right",
    )
    yield Csv(
        "without-skips-cka",
        lines(reference, ANALYSIS, labels=("without", "tap", "depth"), variables=("cka",)),
        "one line a block without skips and tap: CKA with the same tap of the intact network",
    )


def words(one: ModelResult) -> str:
    """Which block's skips matter most, in a sentence; all of those that matter equally."""
    kept: list[Estimate] = numbers(one.own, "agreement").estimates
    shares = np.array([estimate.value for estimate in kept[1:]])
    most = 1 + np.flatnonzero(shares <= shares.min() + _EQUAL)
    sentence = (
        f"{one.model}: without the skips of {_either(one.own['block'].values[most])} the fewest "
        f"predictions stay, {format_estimate(kept[most[0]])} of all"
    )
    if "accuracy" in one.own:
        right: list[Estimate] = numbers(one.own, "accuracy").estimates
        sentence += (
            f"; right are {_either([format_estimate(right[at]) for at in most])}, of the intact "
            f"network {format_estimate(right[0])}"
        )
    return f"{sentence}."


def _either(names: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(names))


def figure(one: ModelResult, *, models: Sequence[str]) -> Figure:
    """Both shares and the CKA of the last tap, by the block without skips."""
    own = one.own
    place = np.arange(own.sizes["network"] - 1, dtype=float)
    panels = [
        draw.Panel(
            name.capitalize(),
            unit,
            [_curve(one, name, place, np.arange(1, own.sizes["network"]))],
            level=float(own[name].values[0]),
        )
        for name, unit in SHARES.items()
        if name in own
    ]
    last = np.flatnonzero(own["tap"].values == own["tap"].values[-1])
    panels.append(
        draw.Panel(
            "Last layer",
            "CKA with the intact network",
            [_curve(one, "cka", place, last)],
            level=1.0,
        )
    )
    return render_figure(
        f"without-skips-{slug(one.model)}",
        draw.panels(
            panels, along="block without skips (0 the lowest)", level="intact", order=models
        ),
        alt=words(one),
        caption=f"{one.model} without the skips of one block, by the block; bands are 95 % "
        "intervals over images, of CKA over batches of them.",
        data="without-skips",
        models=[one.model],
    )


def _curve(one: ModelResult, name: str, place: np.ndarray, rows: np.ndarray) -> draw.Curve:
    low, high = (
        one.own[f"{name}_{end}"].values[rows] if f"{name}_low" in one.own else None
        for end in ("low", "high")
    )
    return draw.Curve(one.model, place, one.own[name].values[rows], low, high, kind="trained")


def table(each: list[ModelResult]) -> Table:
    """Every block of every model: both shares."""
    rows: list[tuple[write.Cell, ...]] = []
    for one in each:
        shares = [numbers(one.own, name).estimates if name in one.own else None for name in SHARES]
        for place, block in enumerate(one.own["block"].values):
            cells = (None if share is None else cell(share[place]) for share in shares)
            rows.append((one.model, str(block), *cells))
    return Table(
        ("model", "without the skips of", *SHARES),
        tuple(rows),
        caption="Shares of images, with 95 % intervals over images.",
    )
