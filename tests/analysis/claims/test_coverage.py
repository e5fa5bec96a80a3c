"""Intervals hold the truth as often as they say, for few batches as for many."""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage.cka import held, of_case
from seelike.analysis.claims.experiments.comparison import cases
from seelike.analysis.claims.findings import ComparedModels
from seelike.analysis.similarity import Estimate, gram

from .simulated import facts, names

POPULATION, BATCH, REPEATS, TAPS = 300, 24, 250, 6
CLAIMS = ("E1-ends", "E1-lowest", "E2-lower-half", "E2-last-third")


def population() -> list[np.ndarray]:
    """Grams of two networks on a population, each layer a step from the one before."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(POPULATION, 20))
    grams = []
    for step in (0.3, 0.8):
        layer = shared
        for _ in range(TAPS):
            layer = layer + step * rng.normal(size=(POPULATION, 20))
            grams.append(gram(layer).astype(np.float32))
    return grams


def numbers(measured: ComparedModels) -> Iterator[tuple[str, Estimate]]:
    for case in cases(measured):
        if case.id in CLAIMS:
            yield from of_case(case)


@pytest.fixture(scope="module")
def shares() -> dict[str, dict[int, float]]:
    models = {name: (facts(name), names(TAPS)) for name in ("vit", "resnet")}
    repeats = dict.fromkeys((2, 4, 8), REPEATS)
    return held(population(), models, numbers, baselines={}, repeats=repeats, batch=BATCH)


@pytest.mark.parametrize("number", ["cells of CKA", "differences of two CKAs", *CLAIMS])
def test_a_nominal_interval_holds_the_truth_in_95_of_100_data_sets(
    number: str, shares: dict[str, dict[int, float]]
) -> None:
    # Shares of a true 95 % that are as low, or as high, in one of a thousand such tests.
    low, high = stats.binom.ppf([0.0005, 0.9995], REPEATS, 0.95) / REPEATS
    for batches, share in shares[number].items():
        assert low <= share <= high, (batches, share)
