"""Probes of a tap: any blocks give the same, test images teach nothing, random labels nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.stats import binom, sem
from sklearn.linear_model import LogisticRegression

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.layouts import Layout
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.recording.reduction import reduce
from seelike.analysis.probing import (
    FULL,
    GRID,
    Axes,
    Learner,
    Outcome,
    Probing,
    Split,
    accuracies,
    axes,
    from_rows,
    probe,
    split,
    with_cells,
)
from seelike.analysis.probing.features import pooled, single
from seelike.analysis.probing.learner import Probe, hits
from seelike.analysis.similarity.intervals.jackknife import MOST_GROUPS

COUNT, CLASSES, CHANNELS = 240, 4, 12
DESIGN = Probing(shots=(1, 5), draws=3)
AXES = with_cells({"a": axes("tokens", (5, CHANNELS), prefix=1, class_token=True, aspect=1.0)})["a"]


def labels() -> list[int]:
    return np.random.default_rng(5).permutation(np.arange(COUNT) % CLASSES).tolist()


def activations(by: Sequence[int], *, signal: float = 1.0) -> np.ndarray:
    """A class token and four spatial ones, which tell of the class."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((COUNT, 5, CHANNELS))
    x += signal * rng.standard_normal((CLASSES, 5, CHANNELS))[np.asarray(by)]
    return (30 + x).astype(np.float32)


def probes(
    x: np.ndarray, of: Split, *, block: int = 64, memory: int = 10**9, axes: Axes = AXES
) -> list[Outcome]:
    def blocks() -> Iterable[tuple[int, np.ndarray]]:
        return ((start, x[start : start + block]) for start in range(0, len(x), block))

    return probe(blocks, axes, of, DESIGN, tokens=True, memory=memory)


def learnt(x: np.ndarray, of: Split, *, block: int = 64) -> list[list[Probe]]:
    learner = Learner(5, CHANNELS, of, shots=DESIGN.ascending, full=True)
    for start in range(0, len(x), block):
        learner.learn(start, x[start : start + block])
    return learner.fit()


def test_any_blocks_and_any_memory_give_the_same() -> None:
    of = split(labels(), DESIGN)
    x = activations(labels())
    whole = probes(x, of, block=COUNT)
    one = Learner.held_bytes(CHANNELS, of, shots=(1, 5), full=True)
    for block, memory in ((1, 10**9), (7, 10**9), (100, one), (64, 2 * one)):
        other = probes(x, of, block=block, memory=memory)
        assert [replace(a, hits=b.hits) for a, b in zip(other, whole, strict=True)] == whole
        for a, b in zip(other, whole, strict=True):
            np.testing.assert_array_equal(a.hits, b.hits)
    assert [(t.feature, t.row, t.column, t.shots) for t in whole] == [
        *(("cls", -1, -1, k) for k in (1, 5, FULL)),
        *(("mean", -1, -1, k) for k in (1, 5, FULL)),
        *(("token", row, column, 5) for row in (0, 1) for column in (0, 1)),
    ]
    with pytest.raises(AnalysisError, match=r"set compute\.memory higher"):
        probes(x, of, memory=one // 2)


def test_memory_stays_within_its_bound_for_any_number_of_images() -> None:
    of = split([i % 4 for i in range(4000)], Probing(shots=(1, 5), draws=3))
    for full, channels in ((True, 32), (True, 2800), (False, 2800)):
        learner = Learner(2, channels, of, shots=(1, 5), full=full)
        moments = learner.moments
        sums = moments.mean, moments.squares, moments.scatter, moments.cross
        held = learner.rows.nbytes + sum(each.nbytes for each in sums)
        assert held <= 2 * Learner.held_bytes(channels, of, shots=(1, 5), full=full)
        # Those held out, the draws' images; all training images where they are the fewer.
        rows = {len(of.held_out) + len(np.unique(of.supports)), len(of.train) + len(of.held_out)}
        assert learner.rows.shape[1] == (
            max(rows) if channels > len(of.train) and full else min(rows)
        )


def test_weights_are_those_of_the_training_images_written_out() -> None:
    of = split(labels(), DESIGN)
    x = activations(labels())
    token = x[:, 2].astype(np.float64)
    scale = token[of.train].std(axis=0)
    target = of.target[of.held_out]
    for found in learnt(x, of)[2]:
        supports = (
            [of.train] if found.shots == FULL else [of.support(d, found.shots) for d in range(3)]
        )
        paths = [from_rows(token[s], of.targets[s], scale=scale) for s in supports]
        right = [
            sum(int((p.scores(token[of.held_out])[i].argmax(0) == target).sum()) for p in paths)
            for i in range(len(GRID))
        ]
        best = max(i for i, count in enumerate(right) if count == max(right))
        assert found.penalty == GRID[best]
        for draw, path in enumerate(paths):
            weights, intercept = path.weights(path.unit * GRID[best])
            np.testing.assert_allclose(found.weights[draw], weights, rtol=1e-5, atol=1e-9)
            np.testing.assert_allclose(found.intercept[draw], intercept, rtol=1e-5, atol=1e-6)


def test_the_test_images_change_no_weight_no_penalty_and_no_statistic() -> None:
    of = split(labels(), DESIGN)
    x = activations(labels())
    other = x.copy()
    other[of.test] = np.random.default_rng(9).normal(1e3, 1e3, other[of.test].shape)
    for own, changed in zip(learnt(x, of), learnt(other, of), strict=True):
        for a, b in zip(own, changed, strict=True):
            np.testing.assert_array_equal(a.weights, b.weights)
            np.testing.assert_array_equal(a.intercept, b.intercept)
            assert a.penalty == b.penalty
    other = x.copy()
    other[of.held_out] *= 2
    full = [each[-1] for each in learnt(other, of)]
    # Those held out choose the penalty alone.
    for a, b in zip(full, (each[-1] for each in learnt(x, of)), strict=True):
        if a.penalty == b.penalty:
            np.testing.assert_array_equal(a.weights, b.weights)


def test_random_labels_are_predicted_at_chance() -> None:
    x = activations(labels(), signal=3.0)
    drawn = np.random.default_rng(1).permutation(labels()).tolist()
    of = split(drawn, DESIGN)
    found = probes(x, of)
    right = np.array([t.hits.sum(axis=1).mean() for t in found])
    tests = len(of.test)
    low, high = binom.ppf([0.001, 0.999], tests, 1 / CLASSES)
    assert ((low <= right) & (right <= high)).all()
    # The same features and their own labels.
    own = probes(x, split(labels(), DESIGN))
    assert all(t.hits.mean() > 0.8 for t in own if t.shots != 1)


def test_on_easy_data_it_is_as_right_as_logistic_regression() -> None:
    of = split(labels(), DESIGN)
    x = activations(labels(), signal=1.5)
    found = next(t for t in probes(x, of) if (t.feature, t.shots) == ("cls", FULL))
    features = (x[:, 0] - x[of.train, 0].mean(axis=0)) / x[of.train, 0].std(axis=0)
    reference = LogisticRegression(max_iter=1000).fit(features[of.train], of.target[of.train])
    accuracy = reference.score(features[of.test], of.target[of.test])
    assert abs(found.hits.mean() - accuracy) <= 0.04
    assert accuracy > 0.9


def test_features_that_tell_nothing_are_right_as_often_as_chance() -> None:
    of = split(labels(), DESIGN)
    constant = np.ones((COUNT, 5, CHANNELS), np.float32)
    for one in probes(constant, of):
        if one.shots != FULL:
            np.testing.assert_allclose(one.hits, 1 / CLASSES)
    scores = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 0.0, 1.0]])
    np.testing.assert_array_equal(hits(scores, np.array([0, 0, 2])), [0.5, 1.0, 0.0])


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        (Layout("tokens", 1, True), (10, 6)),
        (Layout("tokens", 2, True), (14, 6)),
        (Layout("tokens"), (9, 6)),
        (Layout("tokens_last"), (6, 9)),
        (Layout("map"), (6, 3, 3)),
        (Layout("map_last"), (4, 3, 6)),
        (Layout("vector"), (6,)),
    ],
)
def test_features_are_those_of_the_networks_own_reductions(
    layout: Layout, shape: tuple[int, ...]
) -> None:
    x = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))
    tap = Tap("t", "t", "output", 0, 1, shape, 0.5, layout)
    aspect = 4 / 3 if shape in ((4, 3, 6), (14, 6)) else 1.0
    of = axes(
        layout.kind, shape, prefix=layout.prefix, class_token=layout.class_token, aspect=aspect
    )
    found = pooled(x.numpy(), of)
    for name, values in zip(of.pooled, found.swapaxes(0, 1), strict=True):
        np.testing.assert_allclose(values, reduce(x, tap, name).numpy(), atol=1e-6)
    assert ("cls" in of.pooled) == layout.class_token
    if layout.kind != "vector":
        celled = with_cells({"t": of})["t"]
        np.testing.assert_array_equal(single(x.numpy(), celled), reduce(x, tap, "tokens").numpy())


def test_maps_are_pooled_to_the_smallest_as_torch_does() -> None:
    shapes = {"a": (3, 14, 14), "b": (5, 7, 7), "c": (4, 4, 4), "d": (8, 1, 1), "e": (8,)}
    kinds = {name: "vector" if len(shape) == 1 else "map" for name, shape in shapes.items()}
    of = with_cells(
        {n: axes(kinds[n], s, prefix=0, class_token=False, aspect=1.0) for n, s in shapes.items()}
    )
    assert {n: one.cells for n, one in of.items()} == {
        "a": (4, 4),
        "b": (4, 4),
        "c": (4, 4),
        "d": None,
        "e": None,
    }
    for name in "abc":
        x = torch.randn(6, *shapes[name], generator=torch.Generator().manual_seed(0))
        expected = torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(2).transpose(1, 2)
        np.testing.assert_allclose(single(x.numpy(), of[name]), expected.numpy(), atol=1e-6)
    assert axes("other", (3, 4, 5, 6), prefix=0, class_token=False, aspect=1.0).pooled == ()


def test_accuracies_leave_out_images_and_draws_apart_and_their_variances_add() -> None:
    rng = np.random.default_rng(0)
    few = (rng.random((4, 60)) < 0.7).astype(np.float32)
    full = (rng.random((1, 60)) < 0.7).astype(np.float32)
    found = accuracies([few, full, few[::-1]])
    np.testing.assert_allclose(found.value, [few.mean(), full.mean(), few.mean()], rtol=1e-6)
    # Means of means: the errors are those of the images' means, and of the draws'.
    few, full = few.astype(np.float64), full.astype(np.float64)
    by_images, by_draws = sem(few.mean(axis=0)) ** 2, sem(few.mean(axis=1)) ** 2
    error, freedom = found.spread
    whole = sem(full[0])
    np.testing.assert_allclose(error, np.sqrt([by_images + by_draws, whole**2, error[0] ** 2]))
    few_freedom = (by_images + by_draws) ** 2 / (by_images**2 / 59 + by_draws**2 / 3)
    np.testing.assert_allclose(freedom, [few_freedom, 59, few_freedom])
    low, high = found.interval
    reach = stats.t.ppf(0.975, few_freedom) * error[0]
    np.testing.assert_allclose([low[0], high[0]], [few.mean() - reach, few.mean() + reach])


def test_many_test_images_are_left_out_in_groups_and_one_leaves_no_interval() -> None:
    hits = (np.random.default_rng(1).random((1, 1000)) < 0.7).astype(np.float32)
    found = accuracies([hits])
    assert len(found.groups.weight) == MOST_GROUPS
    assert found.groups.images.sum() == 1000
    (one,) = found.estimates
    assert one.error == pytest.approx(sem(hits[0]), rel=0.3)
    kept = np.delete(hits, np.arange(16), axis=1)
    assert found.without[0, 0] == pytest.approx(kept.mean(), rel=1e-6)
    assert accuracies([hits[:, :1]]).interval is None


def test_numbers_of_two_networks_on_the_same_images_and_draws_may_be_subtracted() -> None:
    rng = np.random.default_rng(2)
    first = (rng.random((4, 60)) < 0.7).astype(np.float32)
    second = np.maximum(first, rng.random((4, 60)) < 0.2).astype(np.float32)
    gained = (accuracies([second]) - accuracies([first])).estimate
    assert gained.value == pytest.approx(second.mean() - first.mean())
    own = accuracies([first]).estimate
    assert gained.high - gained.low < own.high - own.low
