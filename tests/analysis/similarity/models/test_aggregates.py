"""Aggregates of models: against all paths, symmetric, 1 of a model itself, whatever the order."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import signature
from seelike.analysis.similarity.models.aggregates import (
    AGGREGATES,
    aggregate_models,
    aligned,
    best_match,
)
from seelike.analysis.similarity.models.layers import Layers, angular, read
from seelike.analysis.similarity.significance.model_tests import ModelTest
from seelike.analysis.similarity.significance.permutations import null_similarities

from .in_memory import rows_of

sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)


def block(rows: int, columns: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, size=(rows, columns))


def paths(rows: int, columns: int) -> list[list[tuple[int, int]]]:
    """All monotone paths from the first cell to the last, written out."""
    if (rows, columns) == (1, 1):
        return [[(0, 0)]]
    before = [(rows - 1, columns), (rows, columns - 1), (rows - 1, columns - 1)]
    return [
        [*path, (rows - 1, columns - 1)] for one in before if min(one) > 0 for path in paths(*one)
    ]


def mean_along(path: list[tuple[int, int]], s: np.ndarray) -> float:
    """Half the mean over either model's layers of the similarity where a path reaches them."""
    sides = []
    for side in (0, 1):
        reached: dict[int, float] = {}
        for cell in path:
            reached.setdefault(cell[side], s[cell])
        sides.append(np.mean(list(reached.values())))
    return float(np.mean(sides))


@given(sizes, sizes, seeds)
def test_alignment_is_the_best_of_all_monotone_paths(rows: int, columns: int, seed: int) -> None:
    s = block(rows, columns, seed)
    expected = max(mean_along(path, s) for path in paths(rows, columns))
    assert aligned(s) == pytest.approx(expected, abs=1e-12)
    assert aligned(s.T) == pytest.approx(expected, abs=1e-12)
    # Many blocks at once give what each gives alone.
    stack = np.stack([s, -s, s / 2]).reshape(3, 1, rows, columns)
    np.testing.assert_allclose(aligned(stack)[:, 0], [aligned(s), aligned(-s), aligned(s / 2)])


@given(sizes, sizes, seeds, st.floats(0, 1))
def test_best_match_is_the_mean_of_both_sides_within_the_window(
    rows: int, columns: int, seed: int, window: float
) -> None:
    s = block(rows, columns, seed)
    a, b = (
        np.sort(np.random.default_rng(seed + i).random(n)) for i, n in ((1, rows), (2, columns))
    )
    found = best_match(s, a, b, window=window)

    def side(s: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
        each = []
        for values, depth in zip(s, a, strict=True):
            apart = np.abs(b - depth)
            near = apart <= window
            if not near.any():
                near = apart == apart.min()
            each.append(values[near].max())
        return float(np.mean(each))

    assert found == pytest.approx((side(s, a, b) + side(s.T, b, a)) / 2, abs=1e-12)
    # Partners along a path are partners, so that no alignment is above the best matches.
    assert aligned(s) <= best_match(s, a, b, window=1.0) + 1e-12


def zoo(seed: int, counts: tuple[int, ...] = (4, 3, 4, 1)) -> tuple[np.ndarray, Layers]:
    """Cosines of the layers of some models, and which are whose."""
    x = np.random.default_rng(seed).normal(size=(sum(counts), 6))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    similarity = x @ x.T
    np.fill_diagonal(similarity, 1.0)
    models = [f"m{i}" for i, count in enumerate(counts) for _ in range(count)]
    depth = [float(d) for count in counts for d in np.linspace(0, 1, count)]
    return similarity, Layers(models, depth)


@given(seeds)
def test_the_matrix_is_symmetric_and_exactly_one_of_a_model_with_itself(seed: int) -> None:
    similarity, layers = zoo(seed)
    found = aggregate_models(rows_of(similarity), layers, window=0.3)
    assert found.shape == (len(AGGREGATES), 4, 4)
    np.testing.assert_array_equal(found, found.transpose(0, 2, 1))
    np.testing.assert_array_equal(np.diagonal(found, axis1=1, axis2=2), 1.0)
    for a, b in combinations(range(4), 2):
        (r, s), (t, u) = list(layers.ranges.values())[a], list(layers.ranges.values())[b]
        cells = similarity[r:s, t:u]
        own, other = layers.depths(f"m{a}"), layers.depths(f"m{b}")
        expected = [aligned(cells), best_match(cells, own, other, window=0.3)]
        np.testing.assert_allclose(found[:, a, b], expected, atol=1e-12)


@given(seeds, st.permutations(range(4)))
def test_the_order_of_models_changes_nothing(seed: int, order: list[int]) -> None:
    similarity, layers = zoo(seed)
    found = aggregate_models(rows_of(similarity), layers, window=0.3)
    places = np.concatenate([np.arange(*layers.ranges[f"m{i}"]) for i in order])
    moved = Layers([layers.model[i] for i in places], [layers.depth[i] for i in places])
    again = aggregate_models(rows_of(similarity[np.ix_(places, places)]), moved, window=0.3)
    np.testing.assert_allclose(again, found[:, order][:, :, order], atol=1e-12)


def test_a_network_in_which_every_layer_stands_twice_is_as_alike_as_once() -> None:
    similarity, _ = zoo(3)
    own = similarity[:4, :4]
    assert aligned(np.repeat(own, 3, axis=1)) == 1.0
    assert aligned(np.repeat(np.repeat(own, 3, axis=1), 2, axis=0)) == 1.0


def test_p_values_count_shuffles_that_reach_an_aggregate() -> None:
    """Against the definition, pair by pair, for two models that are alike and one that is not."""
    generator = np.random.default_rng(0)
    images, counts = 24, (3, 2, 3)
    shared = generator.normal(size=(images, 5))
    x = [
        shared @ generator.normal(size=(5, 7)) + 0.1 * generator.normal(size=(images, 7))
        for _ in range(5)
    ]
    x += [generator.normal(size=(images, 7)) for _ in range(3)]
    batch = np.stack([signature(one) for one in x]).astype(np.float32)
    batch /= np.linalg.norm(batch, axis=1, keepdims=True)
    layers = zoo(0, counts)[1]
    observed = np.clip(batch @ batch.T, -1, 1).astype(np.float64)
    test = ModelTest(observed, layers.model, 30, depth=layers.depth, window=0.5)
    null = test.result(test.tail(lambda: [batch], range(30)))
    drawn = null_similarities([batch], numbers=range(30), seed=0).astype(np.float64)
    each = np.stack(
        [
            aggregate_models(rows_of(np.triu(one) + np.triu(one, 1).T), layers, window=0.5)
            for pair in drawn
            for one in (pair, pair.T)
        ]
    )
    found = aggregate_models(rows_of(observed), layers, window=0.5)
    off = np.triu_indices(3, 1)
    largest = each[:, :, *off].max(axis=2)
    p = (1 + (each >= found - 1e-6).sum(axis=0)) / 61
    corrected = (1 + (largest[:, :, None, None] >= found - 1e-6).sum(axis=0)) / 61
    assert null.draws == 60
    np.testing.assert_allclose(null.p[:, *off], p[:, *off])
    np.testing.assert_allclose(null.corrected[:, *off], corrected[:, *off])
    np.testing.assert_array_equal(null.p, null.p.transpose(0, 2, 1))
    assert (null.corrected[:, *off] >= null.p[:, *off]).all()
    assert (null.corrected[:, 0, 1] == 1 / 61).all()
    assert (null.p[:, 0, 2] > 0.05).all()


@pytest.mark.parametrize(
    ("model", "depth", "message"),
    [
        (["a", "b", "a"], [0, 0, 1], "the layers of 'a' stand in two places"),
        (["a", "a"], [1, 0], r"depths \[1.0, 0.0\] of 'a', expected to ascend between 0 and 1"),
        (["a"], [0, 1], "1 layers with 2 depths"),
        ([], [], "0 layers with 0 depths"),
        (["a"], [np.nan], "expected to ascend between 0 and 1"),
    ],
)
def test_layers_that_are_none_are_refused(
    model: list[str], depth: list[float], message: str
) -> None:
    with pytest.raises(AnalysisError, match=message):
        Layers(model, depth)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.5])
def test_what_is_no_similarity_is_refused_by_its_place(value: float) -> None:
    similarity, _ = zoo(0)
    similarity[5, 2] = value
    with pytest.raises(AnalysisError, match=f"similarity of layers 5 and 2 is {value}"):
        read(rows_of(similarity), 4, 8, layers=12)
    with pytest.raises(AnalysisError, match=r"rows 0 to 2 are \(2, 12\), expected \(2, 13\)"):
        read(rows_of(similarity), 0, 2, layers=13)


def test_angles_are_those_whose_cosines_are_the_similarities() -> None:
    angles = np.array([0, np.pi / 3, np.pi / 2, np.pi])
    np.testing.assert_allclose(angular(np.cos(angles)), angles, atol=1e-12)
    assert angular(1 + 1e-7) == 0
