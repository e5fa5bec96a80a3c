"""Nulls of all measures: draws written out, uniform p of what is unrelated, small p of the rest."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from seelike.analysis.similarity import cka, cka_from_hsic, signature
from seelike.analysis.similarity.exact import exact, gram_blocks
from seelike.analysis.similarity.exact.image_blocks import layout
from seelike.analysis.similarity.exact.shuffles import Shuffles
from seelike.analysis.similarity.measures import FitMeasure, measure, pair_measure, similarity
from seelike.analysis.similarity.significance.permutation_tests import Null, PermutationTest
from seelike.analysis.similarity.significance.permutations import null_similarities, order_of

# Draws: half as many permutations where each gives two.
BATCHES, IMAGES, DRAWS = 2, 16, 60
Drawn = tuple[np.ndarray, np.ndarray]


def by_vectors(name: str, taps: np.ndarray, permutations: int) -> Drawn:
    """Observed (T, T) and drawn similarities of taps (T, batches, n, p), from their vectors."""
    one = pair_measure(name)
    vectors = np.array([[one.vector(batch) for batch in tap] for tap in taps])
    lengths = np.linalg.norm(vectors, axis=(1, 2) if one.weighted else 2, keepdims=True)
    unit = vectors / lengths / (1 if one.weighted else np.sqrt(taps.shape[1]))
    batches = list(unit.swapaxes(0, 1).astype(np.float32))
    drawn = null_similarities(batches, numbers=range(permutations), seed=0, pairs=one.pairs)
    return np.einsum("abp,cbp->ac", unit, unit), drawn


def by_fits(name: str, taps: np.ndarray, permutations: int) -> Drawn:
    one = measure(name)
    assert isinstance(one, FitMeasure)
    compare = one.quick or one.compare
    ready = [[one.prepare(batch) for batch in tap] for tap in taps]

    def mean(order: Callable[[int], np.ndarray]) -> np.ndarray:
        moved = [[one.permute(b, order(i)) for i, b in enumerate(tap)] for tap in ready]
        pairs = [[list(map(compare, x, y)) for y in moved] for x in ready]
        return np.asarray(pairs).mean(axis=2)

    def of(number: int) -> Callable[[int], np.ndarray]:
        return lambda batch: order_of(IMAGES, seed=0, permutation=number, batch=batch)

    drawn = np.stack([mean(of(number)) for number in range(permutations)])
    return mean(lambda _: np.arange(IMAGES)), drawn.astype(np.float32)


def at_once(name: str, taps: np.ndarray, permutations: int) -> Drawn:
    of = layout([(0, IMAGES), (IMAGES, 2 * IMAGES)], [taps.shape[-1]] * len(taps), workers=2)
    flat = taps.reshape(len(taps), 2 * IMAGES, -1).astype(np.float32)
    shuffles = Shuffles(permutations)
    kernel = "rbf" if "rbf" in name else "linear"
    estimator = "biased" if name.endswith("biased") else "debiased"
    sums = gram_blocks.plan(of, kernel=kernel, shuffles=shuffles).sums(
        lambda tap, block: flat[tap, of.images_of(block)].copy(), lambda steps: [s() for s in steps]
    )
    drawn = exact.shuffled(sums, shuffles, estimator=estimator)
    return exact.estimate(sums, estimator=estimator)[0], drawn


WAYS = dict.fromkeys(("cka", "cka_rbf", "rsa", "mutual_knn"), by_vectors)
WAYS |= dict.fromkeys(("procrustes", "svcca", "pwcca", "predictivity"), by_fits)
WAYS |= dict.fromkeys(("cka_exact", "cka_biased", "cka_rbf_exact", "cka_rbf_biased"), at_once)


def independent(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, BATCHES, IMAGES, 5))


def null_by(name: str, taps: np.ndarray, model: list[str]) -> Null:
    symmetric = measure(name).symmetric
    permutations = DRAWS // (2 if symmetric else 1)
    observed, drawn = WAYS[name](name, taps, permutations)
    return PermutationTest(observed, model, permutations, symmetric=symmetric).null_of(drawn)


@pytest.mark.parametrize("name", WAYS)
def test_p_values_of_unrelated_taps_are_uniform(name: str) -> None:
    p = []
    for seed in range(3):
        null = null_by(name, independent(seed, 9), ["m"] * 9)
        p.append(null.cells.p[np.triu_indices(9, 1)])
    # The statistic's steps are 1 / 61, far below what 108 values can tell.
    assert stats.kstest(np.concatenate(p), "uniform").pvalue > 0.01
    assert 0.2 < np.mean(np.concatenate(p) <= 0.5) < 0.8


@pytest.mark.parametrize("name", WAYS)
def test_related_taps_have_small_p_values_and_unrelated_models_do_not(name: str) -> None:
    taps = independent(0, 4)
    taps[1] = taps[0] @ np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    taps[1] += 0.1 * taps[2]
    null = null_by(name, taps, ["A", "B", "C", "C"])
    least = 1 / (1 + DRAWS)
    assert null.cells.p[0, 1] == pytest.approx(least)
    assert null.matches.p[0, 1] == pytest.approx(least)
    assert null.blocks.p[0, 1] == pytest.approx(least)
    assert null.blocks.p[0, 2] > 0.05


def test_draws_of_neighbours_are_those_of_shuffled_images() -> None:
    taps = independent(3, 3)
    _, drawn = by_vectors("mutual_knn", taps, 4)
    for r in range(4):
        orders = [order_of(IMAGES, seed=0, permutation=r, batch=b) for b in range(BATCHES)]
        for i, x in enumerate(taps):
            for j, y in enumerate(taps):
                each = [
                    similarity(x[b], y[b][order], measure="mutual_knn")
                    for b, order in enumerate(orders)
                ]
                assert drawn[r, i, j] == pytest.approx(np.mean(each), abs=1e-6)


@pytest.mark.parametrize("estimator", ["debiased", "biased"])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("memory", [0, 4 * 10**9])
def test_exact_draws_are_cka_of_shuffled_images(kernel: str, estimator: str, memory: int) -> None:
    bounds = [(0, 9), (9, 18), (18, 31)]
    rng = np.random.default_rng(2)
    taps = [(rng.normal(size=(31, p)) + 3).astype(np.float32) for p in (2, 40, 7)]
    taps[1][:, :2] += 3 * taps[0]
    # Of one image far from all others, whose products outweigh those of all shuffled ones.
    taps[2][4] *= 30
    of = layout(bounds, [x.shape[1] for x in taps], workers=2)
    shuffles = Shuffles(5, seed=8)
    plan = gram_blocks.plan(of, kernel=kernel, memory=memory, shuffles=shuffles)
    sums = plan.sums(
        lambda tap, block: taps[tap][of.images_of(block)].copy(), lambda steps: [s() for s in steps]
    )
    for r, drawn in enumerate(exact.shuffled(sums, shuffles, estimator=estimator)):
        order = np.concatenate(
            [
                start + np.random.default_rng([8, r, b]).permutation(stop - start)
                for b, (start, stop) in enumerate(of.blocks)
            ]
        )
        np.testing.assert_array_equal(order, shuffles.order(of, r))
        expected = [
            [cka(x, y[order], kernel=kernel, estimator=estimator) for y in taps] for x in taps
        ]
        np.testing.assert_allclose(drawn, expected, atol=3e-6)


def test_a_measure_that_is_not_symmetric_is_tested_both_ways() -> None:
    rng = np.random.default_rng(4)
    observed, drawn = rng.normal(size=(4, 4)), rng.normal(size=(30, 4, 4)).astype(np.float32)
    model = ["A", "A", "B", "B"]
    null = PermutationTest(observed, model, 30, symmetric=False).null_of(drawn)
    assert null.draws == 30
    for a in range(4):
        for b in range(4):
            reached = int((drawn[:, a, b] >= observed[a, b] - 1e-6).sum())
            assert null.cells.p[a, b] == pytest.approx((1 + reached) / 31)
        for name, own in (("A", [0, 1]), ("B", [2, 3])):
            others = [b for b in own if b != a]
            best = drawn[:, a, others].max(axis=1)
            reached = int((best >= observed[a, others].max() - 1e-6).sum())
            assert null.matches.p[a, "AB".index(name)] == pytest.approx((1 + reached) / 31)
    largest = drawn[:, :2, 2:].max(axis=(1, 2))
    reached = int((largest >= observed[:2, 2:].max() - 1e-6).sum())
    assert null.blocks.p[0, 1] == pytest.approx((1 + reached) / 31)


def test_what_taps_share_through_the_images_alone_is_no_more_than_chance() -> None:
    rng = np.random.default_rng(6)
    plain, left = [], []
    for _ in range(12):
        pixels = rng.normal(size=(IMAGES * 2, 4))
        taps = [
            np.hstack([pixels + 0.3 * rng.normal(size=pixels.shape), rng.normal(size=(32, 4))])
            for _ in range(6)
        ]
        vectors = np.stack([signature(x) for x in (*taps, pixels)])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        share = vectors[:-1] @ vectors[-1]
        residual = vectors[:-1] - share[:, None] * vectors[-1]
        residual /= np.linalg.norm(residual, axis=1, keepdims=True)
        for found, rows in ((plain, vectors[:-1]), (left, residual)):
            test = PermutationTest(cka_from_hsic((rows @ rows.T)[None]), ["m"] * 6, 40)
            found.extend(test.null([rows.astype(np.float32)]).cells.p[np.triu_indices(6, 1)])
    assert np.mean(np.array(plain) <= 0.05) == 1.0
    assert np.mean(np.array(left) <= 0.05) < 0.2
