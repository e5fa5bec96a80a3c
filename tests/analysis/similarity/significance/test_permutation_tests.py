"""Permutation nulls: against draws written out, their validity by simulation, and corrections."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import batch_cosines, cka_matrix, signature, unit
from seelike.analysis.similarity.image_pairs import TRIANGLE
from seelike.analysis.similarity.significance import permutation_tests, permutations
from seelike.analysis.similarity.significance.corrections import (
    benjamini_hochberg,
    calibrate,
    q_values,
)
from seelike.analysis.similarity.significance.permutation_tests import Null, PermutationTest
from seelike.analysis.similarity.significance.permutations import (
    batch_weights,
    null_similarities,
    order_of,
    permute_signatures,
    remove_padding,
    shuffled_products,
)


def signed(activations: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """CKA (T, T) and weighted batches of taps (batches, n, features)."""
    count = len(activations[0])
    units = [[unit(signature(tap[b])) for tap in activations] for b in range(count)]
    weights = batch_weights([[length for _, length in batch] for batch in units])
    batches = [
        np.stack([direction for direction, _ in batch]) * w[:, None].astype(np.float32)
        for batch, w in zip(units, weights, strict=True)
    ]
    return cka_matrix(np.stack([[signature(b) for b in tap] for tap in activations])), batches


def independent(seed: int, *, taps: int, n: int = 16, batches: int = 2) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).normal(size=(taps, batches, n, 6)))


def related(seed: int, *, share: float, taps: int = 4) -> list[np.ndarray]:
    """Taps that have ``share`` of common features and the rest of their own."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(2, 24, 8))
    return [share * common + (1 - share) * rng.normal(size=(2, 24, 8)) for _ in range(taps)]


@given(st.integers(0, 10**6), st.integers(4, 20))
def test_permuted_signatures_are_those_of_permuted_images(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, order = rng.normal(size=(n, 5)), rng.permutation(n)
    direct, scale = unit(signature(x[order]))
    direction, length = unit(signature(x))
    np.testing.assert_allclose(permute_signatures(direction[None], order)[0], direct, atol=1e-6)
    assert length == pytest.approx(scale)
    back = permute_signatures(permute_signatures(direction[None], order), np.argsort(order))
    np.testing.assert_array_equal(back[0], direction)


def test_padding_of_a_short_batch_stays() -> None:
    order = np.array([2, 0, 3, 1])
    plain = np.arange(1, 7, dtype=np.float32)[None]
    padded = np.pad(plain, ((0, 0), (0, 4)))
    np.testing.assert_array_equal(remove_padding(padded, images=4), plain)
    found = permute_signatures(padded, order)
    np.testing.assert_array_equal(found[:, :6], permute_signatures(plain, order))
    assert not found[:, 6:].any()
    with pytest.raises(AnalysisError, match=r"not those of 4 images, expected \(taps, 6\)"):
        permute_signatures(np.ones((1, 10), np.float32), order)


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_products_are_those_of_permuted_directions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(5, 66)).astype(np.float32)
    orders = [np.arange(12), rng.permutation(12), rng.permutation(12)]
    found = list(shuffled_products(directions, map(TRIANGLE.places, orders)))
    np.testing.assert_allclose(found[0], batch_cosines(directions), rtol=1e-5, atol=1e-5)
    for product, order in zip(found, orders, strict=True):
        exact = directions.astype(np.float64) @ permute_signatures(directions, order).T
        np.testing.assert_allclose(product, exact, rtol=1e-5, atol=1e-5)


def test_the_identity_gives_the_observed_value(monkeypatch: pytest.MonkeyPatch) -> None:
    observed, batches = signed(related(0, share=0.5))
    monkeypatch.setattr(permutations, "order_of", lambda images, **_: np.arange(images))
    np.testing.assert_allclose(
        null_similarities(batches, numbers=[0], seed=0)[0], observed, atol=1e-6
    )


def test_more_permutations_begin_with_the_fewer_however_they_are_cut() -> None:
    _, batches = signed(independent(0, taps=3))
    whole = null_similarities(batches, numbers=range(5), seed=7)
    np.testing.assert_array_equal(null_similarities(batches, numbers=[3, 1], seed=7), whole[[3, 1]])
    assert not np.array_equal(null_similarities(batches, numbers=range(5), seed=8), whole)
    assert sorted(order_of(9, seed=7, permutation=3, batch=1)) == list(range(9))
    assert len({tuple(order_of(9, seed=7, permutation=r, batch=b)) for r in (0, 1) for b in (0, 1)})


MODEL = ["A", "A", "B", "B", "B"]


def written_out(observed: np.ndarray, batches: list[np.ndarray], count: int) -> dict[str, float]:
    """Statistics of ``Null`` one by one: lists of all draws, in float64."""
    drawn = []
    for r in range(count):
        total = np.zeros((5, 5))
        for b, batch in enumerate(batches):
            images = 7 if batch.shape[1] == 21 else 16
            order = np.random.default_rng([3, r, b]).permutation(images)
            total += batch.astype(np.float64) @ permute_signatures(batch, order).T.astype(
                np.float64
            )
        drawn += [total, total.T]
    found = {}

    def judge(key: str, value: float, null: list[float]) -> None:
        found[f"p {key}"] = (1 + sum(x >= value for x in null)) / (1 + len(null))
        allowed = int(np.floor(0.05 * (1 + len(null))))
        found[f"critical {key}"] = sorted(null)[-allowed]

    members = {name: [i for i in range(5) if MODEL[i] == name] for name in "AB"}
    for a in range(5):
        for b in range(a, 5):
            judge(f"cell {a}{b}", observed[a, b], [d[a, b] for d in drawn])
        for name, own in members.items():
            others = [b for b in own if b != a]
            judge(
                f"match {a}{name}",
                max(observed[a, b] for b in others),
                [max(d[a, b] for b in others) for d in drawn],
            )
    for one, two in ("AA", "AB", "BB"):
        pairs = [(a, b) for a in members[one] for b in members[two] if a != b]
        judge(
            f"block {one}{two}",
            max(observed[p] for p in pairs),
            [max(d[p] for p in pairs) for d in drawn],
        )
    return found


def unpacked(null: Null) -> dict[str, float]:
    found = {}
    for what in ("p", "critical"):
        cells, matches, blocks = (
            getattr(part, what) for part in (null.cells, null.matches, null.blocks)
        )
        found |= {f"{what} cell {a}{b}": cells[a, b] for a in range(5) for b in range(a, 5)}
        found |= {f"{what} match {a}{m}": matches[a, "AB".index(m)] for a in range(5) for m in "AB"}
        found |= {f"{what} block {x}{y}": blocks["AB".index(x), "AB".index(y)] for x, y in BLOCKS}
        np.testing.assert_array_equal(cells, cells.T)
        np.testing.assert_array_equal(blocks, blocks.T)
    return found


BLOCKS = ("AA", "AB", "BB")


def test_the_null_is_the_one_written_out_also_with_a_short_batch() -> None:
    rng = np.random.default_rng(5)
    taps = [0.3 * rng.normal(size=(1, 23, 6)) + rng.normal(size=(1, 23, 6)) for _ in MODEL]
    units = [[unit(signature(tap[0, rows])) for tap in taps] for rows in (slice(16), slice(16, 23))]
    weights = batch_weights([[length for _, length in batch] for batch in units])
    batches = [
        np.stack([d for d, _ in batch]) * w[:, None].astype(np.float32)
        for batch, w in zip(units, weights, strict=True)
    ]
    observed = sum(b.astype(np.float64) @ b.T.astype(np.float64) for b in batches)
    null = PermutationTest(observed, MODEL, permutations=60, seed=3).null(batches)
    assert (null.models, null.draws) == (("A", "B"), 120)
    expected = written_out(observed, batches, 60)
    found = unpacked(null)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=1e-6), key


def test_the_null_does_not_depend_on_what_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    observed, batches = signed(independent(1, taps=5))
    test = PermutationTest(observed, MODEL, permutations=43, seed=3)
    whole = test.tail(lambda: batches, range(43))
    monkeypatch.setattr(permutation_tests, "HELD", 5 * 5 * 4)
    cut = test.tail(lambda: batches, range(1, 43)).joined(test.tail(lambda: batches, [0]))
    assert whole.draws == cut.draws == 86
    np.testing.assert_array_equal(whole.reached, cut.reached)
    np.testing.assert_array_equal(np.sort(whole.largest, 0), np.sort(cut.largest, 0))


def test_p_values_of_independent_taps_are_uniform() -> None:
    p = []
    for seed in range(4):
        observed, batches = signed(independent(seed, taps=24))
        null = PermutationTest(observed, ["m"] * 24, permutations=100, seed=seed).null(batches)
        p.append(null.cells.p[np.triu_indices(24, 1)])
    # The statistic's steps are 1 / 201, far below what so many values can tell.
    assert stats.kstest(np.concatenate(p), "uniform").pvalue > 0.01


def test_a_common_factor_leaves_the_smallest_p_there_is() -> None:
    observed, batches = signed(related(0, share=0.7))
    null = PermutationTest(observed, ["A", "A", "B", "C"], permutations=100).null(batches)
    np.testing.assert_array_equal(null.cells.p, 1 / 201)
    np.testing.assert_array_equal(null.blocks.p[~np.diag([False, True, True])], 1 / 201)
    # B and C have one tap each, and so no other to match it with.
    np.testing.assert_array_equal(null.blocks.p[[1, 2], [1, 2]], 1.0)


def test_best_matches_of_unrelated_models_are_rarely_significant_but_best_cells_often() -> None:
    model = ["A"] * 4 + ["B"] * 4
    blocks, matches, cells = [], [], []
    for seed in range(120):
        observed, batches = signed(independent(seed, taps=8, n=10))
        null = PermutationTest(observed, model, permutations=40, seed=seed).null(batches)
        blocks.append(null.blocks.p[0, 1])
        matches.append(null.matches.p[0, 1])
        cells.append(null.cells.p[:4, 4:].min())
    # 0.05 and three standard errors of 120 trials.
    assert np.mean(np.array(blocks) <= 0.05) < 0.11
    assert np.mean(np.array(matches) <= 0.05) < 0.11
    assert np.mean(np.array(cells) <= 0.05) > 0.25


def test_the_null_of_a_maximum_is_above_that_of_what_it_is_taken_over() -> None:
    observed, batches = signed(independent(2, taps=5))
    null = PermutationTest(observed, MODEL, permutations=50).null(batches)
    for a in range(5):
        for number, name in enumerate(null.models):
            others = [b for b in range(5) if MODEL[b] == name and b != a]
            assert null.matches.critical[a, number] >= null.cells.critical[a, others].max()
            own = null.models.index(MODEL[a])
            assert null.blocks.critical[own, number] >= null.matches.critical[a, number]


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(10, 40))
def test_above_the_critical_value_is_significant_and_nothing_else(seed: int, count: int) -> None:
    observed, batches = signed(related(seed, share=0.25))
    null = PermutationTest(observed, ["m"] * 4, permutations=count).null(batches)
    np.testing.assert_array_equal(
        calibrate(observed, null.cells.critical) > 0, null.cells.p <= 0.05
    )


def test_shuffles_that_change_nothing_reach_the_observed_value() -> None:
    directions = np.full((2, 28), 28**-0.5, np.float32) * np.array([[1], [0.7]], np.float32)
    observed = directions.astype(np.float64) @ directions.T
    null = PermutationTest(observed, ["A", "B"], permutations=10).null([directions])
    np.testing.assert_array_equal(null.cells.p, 1.0)
    with pytest.raises(AnalysisError, match=r"critical value at \(0, 0\) is 1"):
        calibrate(np.ones((1, 1)), null.cells.critical[:1, :1])


def test_weights_sum_to_one_at_any_scale() -> None:
    plain = np.array([[1.0, 3.0], [2.0, 0.0]])
    weights = batch_weights(plain)
    np.testing.assert_allclose((weights**2).sum(axis=0), 1.0)
    np.testing.assert_allclose(batch_weights(plain * [1e-200, 1e200]), weights)
    with pytest.raises(AnalysisError, match=r"taps \[1\] are zero"):
        batch_weights([[1.0, 0.0], [1.0, 0.0]])


P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(P_VALUES)
def test_benjamini_hochberg_is_its_definition_and_scipys(p: list[float]) -> None:
    q = benjamini_hochberg(p)
    m, ordered = len(p), sorted(p)
    for value, adjusted in zip(p, q, strict=True):
        above = [ordered[k] * m / (k + 1) for k in range(m) if ordered[k] >= value]
        assert adjusted == pytest.approx(min(above), abs=1e-12)
    np.testing.assert_allclose(q, stats.false_discovery_control(p), atol=1e-12)
    assert (q >= np.array(p)).all()


@given(st.integers(0, 10**6), st.integers(1, 9))
def test_q_values_are_of_distinct_pairs_in_their_families(seed: int, taps: int) -> None:
    half = np.random.default_rng(seed).uniform(size=(taps, taps))
    p = np.triu(half) + np.triu(half, 1).T
    q = q_values(p)
    upper = np.triu_indices(taps, 1)
    np.testing.assert_array_equal(q, q.T)
    np.testing.assert_array_equal(np.diag(q), np.diag(p))
    np.testing.assert_array_equal(q[upper], benjamini_hochberg(p[upper]))
    family = np.add.outer(np.arange(taps) % 2, np.arange(taps) % 2)
    parts = q_values(p, families=family)
    np.testing.assert_array_equal(parts, parts.T)
    for label in range(3):
        own = [(a, b) for a, b in combinations(range(taps), 2) if family[a, b] == label]
        expected = benjamini_hochberg([p[pair] for pair in own])
        np.testing.assert_array_equal([parts[pair] for pair in own], expected)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-0.2, 0.9))
def test_calibrated_is_zero_below_one_at_one_and_rises(s: float, t: float, tau: float) -> None:
    low, high = (calibrate(value, tau) for value in sorted((s, t)))
    assert 0 <= low <= high <= 1
    assert calibrate(1.0, tau) == 1.0
    assert calibrate(tau, tau) == 0.0
    assert calibrate(tau + (1 - tau) / 2, tau) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: PermutationTest(np.eye(2), ["A", "B"], permutations=0), "0 permutations, expec"),
        (lambda: PermutationTest(np.eye(2), ["A", "B"], permutations=9), "10 or more"),
        (lambda: PermutationTest(np.eye(2), ["A"], permutations=10), r"\(2, 2\) of 1 taps"),
        (
            lambda: PermutationTest(np.eye(2), ["A", "B"], permutations=10).null([np.eye(3)]),
            "batches of 3 taps, observed similarities of 2",
        ),
        (
            lambda: null_similarities([np.ones((2, 6)), np.ones((3, 6))], numbers=[0], seed=0),
            r"batch 1 is \(3, 6\), expected 2 taps",
        ),
        (lambda: null_similarities([np.ones((2, 7))], numbers=[0], seed=0), "cut the padding off"),
        (lambda: null_similarities([], numbers=[0], seed=0), "no batches"),
        (lambda: permute_signatures(np.ones((2, 3)), [0, 0, 1]), "is no permutation of 0 to 2"),
        (lambda: permute_signatures(np.ones((2, 3)), [0, 1, 2, 3]), "not those of 4 images"),
        (
            lambda: PermutationTest(np.full((1, 1), np.nan), ["A"], permutations=10),
            "observed similarities hold NaN",
        ),
        (
            lambda: PermutationTest(np.eye(2), ["A", "B"], permutations=10).null(
                [np.full((2, 6), np.inf, np.float32)]
            ),
            "directions of batch 0 hold NaN",
        ),
        (lambda: calibrate([np.nan], [0.1]), "similarities hold NaN"),
        (lambda: calibrate(np.ones(3), np.zeros(2)), "not the same"),
        (lambda: calibrate([0.5, 0.5], [0.2, 1.0]), r"at \(1,\) is 1"),
        (lambda: benjamini_hochberg([0.5, float("nan")]), "between 0 and 1"),
        (lambda: q_values(np.ones((2, 3))), r"expected \(T, T\)"),
        (lambda: q_values(np.ones((2, 2)), families=np.ones((3, 3))), r"families \(3, 3\)"),
    ],
)
def test_mistakes_are_named(wrong, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AnalysisError, match=message):
        wrong()
