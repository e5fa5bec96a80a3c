"""The sections of a comparison's report: what is drawn, and what is said beside it."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims import matrix_statistics as statistics
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.findings import ComparedModels, Side, format_estimate
from seelike.analysis.similarity import Estimate
from seelike.analysis.similarity.significance.permutation_tests import ROUNDING
from seelike.storage.digest import slug
from seelike.storage.reports.write import Csv, Figure, Section, Table
from seelike.tasks.reports.elements.claims import Facts, cell, checks
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.methods.comparison import MATCH, QUARTERS, cka_method

# What is measured within every model: the number, and how the figure and table call it.
WITHIN = {
    "bottom quarter with top quarter": statistics.bottom_top,
    "least similar 5 % of pairs": statistics.least_similar,
}


def sections(
    dataset: xr.Dataset, measured: ComparedModels, found: Sequence[Case], facts: Facts
) -> Iterator[Section]:
    """All sections, in reading order; ``found`` are the cases of all networks of the study."""
    models = list(measured.families)
    inside = [one for one in found if one.claim.experiment == "E1"]
    between = [one for one in found if one.claim.experiment != "E1"]
    yield Section(
        "Within each model",
        checks=checks(inside, facts),
        figures=tuple(within_figures(dataset, measured)),
        tables=(within_table(measured),),
        method=cka_method(dataset, QUARTERS),
    )
    if len(models) > 1:
        yield Section(
            "Across models",
            paragraphs=tuple(across_words(dataset, a, b) for a, b in combinations(models, 2)),
            checks=checks(between, facts),
            figures=tuple(across_figures(dataset, models)),
            method=cka_method(dataset, MATCH),
        )


def numbers(measured: ComparedModels, model: str) -> list[tuple[str, Estimate, Estimate | None]]:
    """The numbers within ``model``: name, value, and the untrained twin's where it has one."""
    rows = []
    for name, number in WITHIN.items():
        side = Side(model, model, model, number)
        twin = measured.baselines.get(model)
        rows.append(
            (
                name,
                measured.estimate(side),
                None if twin is None else measured.estimate(side, named=measured.baselines),
            )
        )
    return rows


def within_words(measured: ComparedModels, model: str) -> str:
    """What the numbers within ``model`` are, in a sentence."""
    ends, least = numbers(measured, model)
    sentence = (
        f"{model}: its bottom and top quarters have a mean CKA of {format_estimate(ends[1])}, "
        f"its least similar 5 % of pairs of layers {format_estimate(least[1])}"
    )
    if ends[2] is not None and least[2] is not None:
        sentence += f"; before training {format_estimate(ends[2])} and {format_estimate(least[2])}"
    return f"{sentence}."


def within_table(measured: ComparedModels) -> Table:
    """The numbers within every model, trained and untrained."""
    rows = [
        (model, name, cell(value), None if twin is None else cell(twin))
        for model in measured.families
        for name, value, twin in numbers(measured, model)
    ]
    return Table(
        ("model", "mean CKA of", "as given", "untrained"),
        tuple(rows),
        caption="Numbers within each model, with 95 % intervals over batches of images.",
    )


def within_figures(dataset: xr.Dataset, measured: ComparedModels) -> Iterator[Figure]:
    """Heatmaps of every model, beside it before training where there is that, and the numbers."""
    yield from seed_figures(dataset, measured)
    yield from model_heatmaps(dataset, measured)


def seed_figures(dataset: xr.Dataset, measured: ComparedModels) -> Iterator[Figure]:
    """All models in one figure, trained and untrained, and their numbers in another."""
    models = list(measured.families)
    twinned = [model for model in models if model in measured.baselines]
    if twinned:
        yield render_figure(
            "trained-and-untrained",
            draw.against_untrained(dataset, twinned),
            alt="Within-model CKA. " + " ".join(within_words(measured, m) for m in twinned),
            caption="CKA between all layers of each network: trained above, the same "
            "architecture with its initial weights below. One colour scale.",
            data="cka",
            models=[*twinned, *(measured.baselines[model] for model in twinned)],
        )
    dots = [
        draw.Dot(name, model, model, value.value, value.low, value.high, trained=is_trained)
        for model in models
        for name, own, twin in numbers(measured, model)
        for value, is_trained in ((own, True), (twin, False))
        if value is not None
    ]
    yield render_figure(
        "within-numbers",
        draw.checks(dots, colours=draw.colours(dataset)),
        alt="Numbers within each model. " + " ".join(within_words(measured, m) for m in models),
        caption="How alike the ends of each network are, and its least similar pairs of layers; "
        "lines are 95 % intervals over batches of images.",
        models=[*models, *measured.baselines.values()],
    )


def model_heatmaps(dataset: xr.Dataset, measured: ComparedModels) -> Iterator[Figure]:
    """A heatmap of each model."""
    limits = draw.scale(dataset)
    for model in measured.families:
        yield render_figure(
            f"within-{slug(model)}",
            draw.within(dataset, model, limits=limits),
            alt=within_words(measured, model),
            caption=f"CKA between all layers of {model}.",
            data="cka",
            explorer=draw.explorer(dataset, [model], [model], limits=limits),
            models=[model],
        )


def across_words(dataset: xr.Dataset, a: str, b: str) -> str:
    """The most similar pair of layers of two models, in a sentence."""
    cells = dataset.isel(
        tap_a=(dataset["model_a"] == a).values.nonzero()[0],
        tap_b=(dataset["model_b"] == b).values.nonzero()[0],
    )
    values = cells["cka"].values
    i, j = divmod(int(values.argmax()), values.shape[1])
    last = float(values[-1].max())
    return (
        f"{a} and {b} are most alike at {cells['tap_a'].values[i]} and "
        f"{cells['tap_b'].values[j]} (CKA {values[i, j]:.2f}); {a}'s last layer has "
        f"{last:.2f} with the layer of {b} it resembles most."
    )


def match_words(dataset: xr.Dataset, model: str, other: str) -> str:
    """Where in ``other`` the layers lie that ``model``'s lowest and highest quarters resemble."""
    cells = dataset.isel(
        tap_a=(dataset["model_a"] == model).values.nonzero()[0],
        tap_b=(dataset["model_b"] == other).values.nonzero()[0],
    )
    depths = match_depths(cells["cka"].values, cells["depth_b"].values)
    each = max(1, len(depths) // 4)
    low, high = float(depths[:each].mean()), float(depths[-each:].mean())
    return (
        f"The lowest quarter of {model}'s layers resembles layers of {other} at a depth of "
        f"{low:.2f} on average most, the highest quarter those at {high:.2f} (0 input, 1 output)."
    )


def match_depths(cka: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Find how deep the best matches of layers lie.

    Args:
        cka: Similarities, (taps, others).
        depth: How deep the others lie, (others,).

    Returns:
        (taps,), the mean depth of those that match equally well: taps that read the same tensor
        differ by rounding alone, which must not choose between them.
    """
    best = cka >= cka.max(axis=1, keepdims=True) - ROUNDING
    return np.asarray((best * depth).sum(axis=1) / best.sum(axis=1))


def across_figures(dataset: xr.Dataset, models: Sequence[str]) -> Iterator[Figure]:
    """All pairs of models in one figure, then every pair's heatmap and best matches."""
    yield all_pairs(dataset, models)
    yield from pair_figures(dataset, models)


def all_pairs(dataset: xr.Dataset, models: Sequence[str]) -> Figure:
    """Every layer of every model with every other."""
    pairs = list(combinations(models, 2))
    return render_figure(
        "all-pairs",
        draw.grid(dataset, models),
        alt="CKA of all layers of all models. "
        + " ".join(across_words(dataset, a, b) for a, b in pairs),
        caption="CKA of every layer of every model with every other: each model with itself on "
        "the diagonal. One colour scale.",
        data="cka",
        explorer=draw.explorer(dataset, models, models),
        models=models,
    )


def pair_figures(dataset: xr.Dataset, models: Sequence[str]) -> Iterator[Figure]:
    """The heatmap and the best matches of every two models."""
    limits = draw.scale(dataset)
    for a, b in combinations(models, 2):
        yield render_figure(
            f"across-{slug(a)}-{slug(b)}",
            draw.across(dataset, b, a, limits=limits),
            alt=across_words(dataset, a, b),
            caption=f"CKA of {b}'s layers (upward) with {a}'s (rightward).",
            data="cka",
            explorer=draw.explorer(dataset, [b], [a], limits=limits),
            models=[a, b],
        )
        yield render_figure(
            f"match-{slug(b)}-{slug(a)}",
            draw.best_match(dataset, b, a, limits=limits),
            alt=match_words(dataset, b, a),
            caption=f"For each layer of {b}, where in {a} its most similar layer lies.",
            data="cka",
            models=[a, b],
        )


def data(dataset: xr.Dataset, models: Sequence[str]) -> Iterator[Csv]:
    """The numbers to take along."""
    yield Csv("cka", draw.cells(dataset, models), "one line a pair of layers, with its interval")
