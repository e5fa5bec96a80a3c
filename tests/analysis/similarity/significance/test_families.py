"""Which pairs and matches are declared above chance: families, and what chance alone declares."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from benchmarks.statistics.simulated import discoveries, errors, shuffled_null, simulated
from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.significance.corrections import benjamini_hochberg, match_q, pair_q
from seelike.analysis.similarity.significance.permutation_tests import Null, PermutationTest

MODEL = ["A", "A", "B", "B", "B", "C"]
REPORTS, PERMUTATIONS = 120, 60


def null_of(*, symmetric: bool, seed: int = 0) -> tuple[Null, np.ndarray, np.ndarray]:
    """A null of six taps of three models, what was observed, and the draws."""
    rng = np.random.default_rng(seed)
    observed = rng.normal(size=(6, 6)) + 1
    observed = observed + observed.T if symmetric else observed
    drawn = rng.normal(size=(40, 6, 6)).astype(np.float32) + 1
    test = PermutationTest(observed, MODEL, 40, symmetric=symmetric)
    return test.null_of(drawn), observed, drawn


@pytest.mark.parametrize("symmetric", [True, False])
def test_blocks_are_corrected_by_the_largest_across_any_two_models(symmetric: bool) -> None:
    null, observed, drawn = null_of(symmetric=symmetric)
    places = {name: [i for i in range(6) if MODEL[i] == name] for name in "ABC"}
    pairs = ["AB", "AC", "BC"] + ([] if symmetric else ["BA", "CA", "CB"])

    def block(matrix: np.ndarray, pair: str) -> float:
        return max(float(matrix[a, b]) for a in places[pair[0]] for b in places[pair[1]])

    both = [*drawn, *(one.T for one in drawn)] if symmetric else list(drawn)
    largest = [max(block(one, pair) for pair in pairs) for one in both]
    for pair in pairs:
        value = block(observed, pair)
        p = (1 + sum(x >= value - 1e-6 for x in largest)) / (1 + len(largest))
        one, other = ("ABC".index(name) for name in pair)
        assert null.corrected[one, other] == pytest.approx(p)
        assert null.corrected[one, other] >= null.blocks.p[one, other]
        if symmetric:
            assert null.corrected[other, one] == null.corrected[one, other]
    np.testing.assert_array_equal(np.diag(null.corrected), np.diag(null.blocks.p))


@pytest.mark.parametrize("symmetric", [True, False])
def test_families_are_within_a_model_and_across_two_models(symmetric: bool) -> None:
    null, _, _ = null_of(symmetric=symmetric)
    q = pair_q(null, model=MODEL, symmetric=symmetric)
    if symmetric:
        np.testing.assert_array_equal(q, q.T)
    for one, name in enumerate("ABC"):
        for other, second in enumerate("ABC"):
            own = [
                (a, b)
                for a in range(6)
                for b in range(6)
                if (MODEL[a], MODEL[b]) == (name, second)
                and (a < b or not (symmetric and name == second))
                and a != b
            ]
            if not own:
                continue
            expected = benjamini_hochberg([null.cells.p[pair] for pair in own])
            if name != second:
                expected = np.maximum(expected, null.corrected[one, other])
            np.testing.assert_array_equal([q[pair] for pair in own], expected)
    np.testing.assert_array_equal(np.diag(q), np.diag(null.cells.p))


def test_matches_are_a_family_per_model_and_model_searched() -> None:
    null, _, _ = null_of(symmetric=True)
    q = match_q(null, model=MODEL)
    rows = {name: [i for i in range(6) if MODEL[i] == name] for name in "ABC"}
    for one, name in enumerate("ABC"):
        for other in range(3):
            expected = benjamini_hochberg(null.matches.p[rows[name], other])
            if one != other:
                expected = np.maximum(expected, null.corrected[one, other])
            np.testing.assert_array_equal(q[rows[name], other], expected)
    # C has one tap, and so no other tap to match it with.
    assert q[5, 2] == 1.0


def test_one_model_has_no_pairs_across() -> None:
    drawn = np.random.default_rng(0).normal(size=(20, 3, 3)).astype(np.float32)
    null = PermutationTest(np.eye(3), ["A"] * 3, 20).null_of(drawn)
    np.testing.assert_array_equal(null.corrected, null.blocks.p)
    assert np.isfinite(pair_q(null, model=["A"] * 3)).all()


def test_taps_that_were_not_tested_are_an_error() -> None:
    null, _, _ = null_of(symmetric=True)
    with pytest.raises(AnalysisError, match="5 taps of A, B, expected the 6 of A, B, C"):
        pair_q(null, model=MODEL[:5])
    with pytest.raises(AnalysisError, match="expected the 6 of A, B, C that were tested"):
        match_q(null, model=["D", *MODEL[1:]])


@pytest.mark.parametrize(("models", "batches"), [(2, 2), (3, 2), (4, 3)])
def test_reports_on_unrelated_models_rarely_declare_anything(models: int, batches: int) -> None:
    simulate = partial(simulated, models=models, batches=batches, layers=6, images=24)
    found = errors(simulate, reports=REPORTS, permutations=PERMUTATIONS)
    # What a true share of 5 % exceeds once in a thousand such tests.
    most = stats.binom.ppf(0.999, REPORTS, 0.05) / REPORTS
    for key in ("pairs", "matches", "blocks"):
        assert found[key] <= most, key
    for key in ("p", "p_match", "p_block"):
        assert found[key]["0.05"] <= most, key
        assert found[key]["0.1"] <= stats.binom.ppf(0.999, REPORTS, 0.1) / REPORTS, key
    assert found["uniform"] > 0.001
    # The family of all pairs, with its many true ones, is what this guards against.
    assert found["one_family"] > 0.2


def test_false_discoveries_are_few_where_some_layers_are_related() -> None:
    simulate = partial(simulated, models=3, batches=4, layers=4, images=24, shared=True)
    found = discoveries(simulate, reports=60, permutations=PERMUTATIONS)
    # The mean share is at most 5 %; reports without a discovery count 0.
    assert found["related"] <= 0.05 + 3 * found["related_error"]
    assert found["unrelated"] <= stats.binom.ppf(0.999, 60, 0.05) / 60
    assert found["within"] == 0.0
    assert found["found"] > 0.8


def test_the_simulation_is_what_it_says() -> None:
    made = simulated(0, models=3, batches=8, layers=4, images=24, shared=True)
    null = shuffled_null(made, permutations=40, seed=0)
    assert made.activations.shape == (12, 8, 24, 12)
    assert null.cells.p[made.related].max() <= 0.05
    related = made.related.reshape(3, 4, 3, 4)
    assert related[0, :2, 1, :2].all()
    assert related[0, :, 1].sum() == 4
    assert not related[:2, :, 2].any()
    assert related[[0, 1, 2], :, [0, 1, 2]].all()
