"""Coverage of intervals of CKA: cells, differences, and the numbers of claims on comparisons."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.coverage import populations
from benchmarks.coverage.populations import Samples
from benchmarks.coverage.shares import Hits, Repeats, data_sets, hit, holds, shares
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.experiments.comparison import cases, fine_cases
from seelike.analysis.claims.findings import ComparedModels
from seelike.analysis.similarity.cka import cka_from_hsic
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.intervals.cka_intervals import batch_groups, cell_interval
from seelike.analysis.similarity.intervals.estimate import Estimate
from seelike.analysis.similarity.intervals.jackknife import half_width, standard_error
from seelike.analysis.similarity.signature import Float32
from seelike.tasks.reports.comparison.single_factor.data_scale import halves
from seelike.tasks.reports.comparison.single_factor.fine_tuning import quarters
from seelike.tasks.reports.comparison.single_factor.skip_free import collapse
from seelike.tasks.reports.comparison.single_factor.skip_free_models import SkipFreeModel

# By name on the page; the first three stand for their families.
NETWORKS = {
    "vit": "vit",
    "resnet": "resnet",
    "mixer": "mixer",
    "vit without skips": "vit-skip-free-4",
    "vit, 10 percent": "vit-10-percent",
    "vit, seed 1": "vit-seed1",
    "vit, digits": "vit-digits",
}
BASELINES = {"vit": "vit untrained", "resnet": "resnet untrained", "mixer": "mixer untrained"}
BLOCK = 4
# The stream and the branches beside it, of all that the paper taps in a ViT.
FINE = [
    "blocks.0:input",
    *(f"blocks.{i}{part}" for i in range(8) for part in (".attn", ".norm2:input", ".mlp.act", "")),
]
Models = dict[str, tuple[Mapping[str, Any], list[str]]]


def covered(
    *, repeats: Repeats, batch: int, population: int, fine: bool = True
) -> dict[str, dict[int, float]]:
    """The share of data sets whose intervals hold the truth, by number and count of batches."""
    images = populations.images(population)
    models: Models = {}
    grams: list[Float32] = []
    for name, zoo in (NETWORKS | {baseline: own for own, baseline in BASELINES.items()}).items():
        of = populations.network(zoo, trained=name not in BASELINES.values())
        found = populations.grams(of, "blocks", images)
        family = zoo.split("-")[0]
        models[name] = (_facts(family, plain=name in BASELINES), list(found))
        grams += found.values()
    drawn: dict[str, Any] = {"repeats": repeats, "batch": batch}
    every = held(grams, models, _numbers, baselines=BASELINES, **drawn)
    if fine:
        found = populations.grams(populations.network("vit"), FINE, images)
        own: Models = {"vit": (_facts("vit", plain=True), list(found))}
        every |= held(list(found.values()), own, _grid, baselines={}, **drawn)
    return every


def _facts(family: str, *, plain: bool) -> Mapping[str, Any]:
    """Facts of a model; only the first of each family plays its role, others saw less data."""
    return {
        "family": family,
        "trained": True,
        "pooling": "CLS",
        "skip_free": None,
        "origin": {"fraction": 1.0 if plain else 0.1},
    }


def held(
    grams: Sequence[Float32],
    models: Models,
    numbers: Callable[[ComparedModels], Iterator[tuple[str, Estimate]]],
    *,
    baselines: Mapping[str, str],
    repeats: Repeats,
    batch: int,
) -> dict[str, dict[int, float]]:
    """The share of data sets drawn from Grams of all images whose intervals hold the truth."""
    whole = populations.true_parts(grams)
    stacked = np.stack(grams, axis=2)
    truth = dict(
        numbers(populations.measured(whole, models, baselines=baselines, batch=len(grams[0])))
    )
    cells = cka_from_hsic(whole)
    hits: Hits = {}
    rng = np.random.default_rng(0)
    for wanted in data_sets(repeats):
        samples = Samples.of(rng, len(grams[0]), batches=max(wanted), batch=batch)
        every = populations.parts(stacked, samples)
        for count in wanted:
            parts = every[:count]
            _cells(hits, parts, cells)
            own = populations.measured(parts, models, baselines=baselines, batch=batch)
            for name, number in numbers(own):
                hit(hits, name, count, holds(number, truth[name].value))
    return shares(hits)


def _cells(hits: Hits, parts: Array, truth: Array) -> None:
    """Whether intervals hold the true CKA of all pairs, and differences of pairs in a row."""
    bounds = cell_interval(parts)
    assert bounds is not None
    pairs = np.triu_indices(len(truth), 1)
    held = (bounds[0] <= truth) & (truth <= bounds[1])
    hit(hits, "cells of CKA", len(parts), held[pairs].mean())
    total = parts.sum(axis=0)
    left = np.stack([cka_from_hsic((total - one)[None])[pairs] for one in parts])
    value = cka_from_hsic(parts)[pairs]
    groups = batch_groups(len(parts), None)
    assert groups is not None
    apart = np.roll(left, 1, axis=1) - left
    reach = half_width(*standard_error(apart, groups))
    difference, true = (np.roll(one, 1) - one for one in (value, truth[pairs]))
    within = np.abs(difference - true) <= reach + 1e-12
    hit(hits, "differences of two CKAs", len(parts), within.mean())


def _numbers(measured: ComparedModels) -> Iterator[tuple[str, Estimate]]:
    found = [
        *cases(measured),
        collapse(measured, SkipFreeModel("vit without skips", "vit", BLOCK, BLOCK + 1, BLOCK + 2)),
        measured.case(halves(("vit, 10 percent", "vit, seed 1"))),
        measured.case(quarters(("vit, digits", "vit"))),
    ]
    for case in found:
        yield from of_case(case)


def _grid(measured: ComparedModels) -> Iterator[tuple[str, Estimate]]:
    for case in fine_cases(measured):
        yield from of_case(case)


def of_case(case: Case) -> Iterator[tuple[str, Estimate]]:
    """The differences of a claim, trained and learned, by name."""
    several = len(case.contrasts) > 1
    for place, one in enumerate(case.contrasts, start=1):
        name = f"{case.id}, number {place}" if several else case.id
        yield name, one.difference
        if one.learned is not None:
            yield f"{name}, learned", one.learned
