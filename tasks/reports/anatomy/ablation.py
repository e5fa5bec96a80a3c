"""Section on predictions and CKA without the skips of one block at inference (after E7)."""

from collections.abc import Iterable, Sequence

import numpy as np

from seelike.analysis import figures as draw
from seelike.analysis.claims.findings import format_estimate
from seelike.analysis.claims.results import ModelResult
from seelike.storage.digest import slug
from seelike.storage.reports import write
from seelike.storage.reports.write import Figure, Section, Table
from seelike.tasks.reports.anatomy.section import section_of
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import AnalysisResults, numbers

ANALYSIS = "ablation"
# Shares of n images that differ do so by 1 / n; sums over batches leave less to rounding.
_EQUAL = 1e-9
SHARES = {"accuracy": "share of correct predictions", "agreement": "share of same predictions"}


def section(results: AnalysisResults) -> Section:
    """Build the section."""
    each = results.each
    return section_of(
        results,
        "Without the skips of one block",
        "The trained network, with the skips around one block removed at inference. E7 is about "
        "networks trained without them: these numbers do not test its claims.",
        sentences=map(words, each),
        figures=(figure(one, models=own_models(results)) for one in each),
        tables=(table(each),) if each else (),
        data=(
            results.csv(
                "without-skips",
                "one line per block without skips: share of predictions that stay, that are right",
                labels=("block",),
                variables=tuple(SHARES),
            ),
            results.csv(
                "without-skips-cka",
                "one line per block without skips and layer: CKA with that layer of the intact "
                "network",
                labels=("without", "tap", "depth"),
                variables=("cka",),
            ),
        ),
    )


def own_models(results: AnalysisResults) -> list[str]:
    """The study's own models in its order, also those that lack the part."""
    names = (one.plan.name for one in results.shown if not one.plan.subject.baseline_of)
    return list(dict.fromkeys(names))


def most_sensitive(one: ModelResult) -> list[int]:
    """Places of the blocks without whose skips the fewest predictions stay, ties included."""
    kept = numbers(one.own, "agreement").value[1:]
    return (1 + np.flatnonzero(kept <= kept.min() + _EQUAL)).tolist()


def words(one: ModelResult) -> str:
    """The block whose skips matter most; all of those that matter equally."""
    blocks = _either(one.own["block"].values[most_sensitive(one)])
    return f"{one.model}: predictions change most without the skips of {blocks}."


def _alt(one: ModelResult) -> str:
    """The same with its numbers, for the alternative text of a figure."""
    most = most_sensitive(one)
    kept = numbers(one.own, "agreement").estimates
    text = f"{words(one)} {format_estimate(kept[most[0]])} of all predictions stay."
    if "accuracy" in one.own:
        right = numbers(one.own, "accuracy").estimates
        text += (
            f" Accuracy is {_either([format_estimate(right[at]) for at in most])}, against "
            f"{format_estimate(right[0])} for the intact network."
        )
    return text


def _either(names: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(names))


def figure(one: ModelResult, *, models: Sequence[str]) -> Figure:
    """Both shares and the CKA of the last layer, by the block without skips."""
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
        alt=_alt(one),
        caption=f"{one.model} without the skips of one block. Bands are 95 % intervals over "
        "images, for CKA over batches of images.",
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
    """Both shares, a row per block of every model."""
    rows: list[tuple[write.Cell, ...]] = []
    for one in each:
        shares = [numbers(one.own, name).estimates if name in one.own else None for name in SHARES]
        for place, block in enumerate(one.own["block"].values):
            cells = (None if share is None else share[place] for share in shares)
            rows.append((one.model, str(block), *cells))
    return Table(
        ("model", "without the skips of", *SHARES),
        tuple(rows),
        caption="Shares of images, with 95 % intervals over images.",
    )
