"""The penalty of a probe: chosen by exact counts, ties are ties in whatever order."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seelike.analysis.probing.learner import _chosen, hits, sharers, total
from seelike.analysis.probing.ridge import GRID, from_rows

CLASSES, IMAGES, DRAWS = 7, 23, 3
TARGET = np.zeros(IMAGES, int)


@dataclass(frozen=True)
class Answers:
    """A path of which only the scores (penalties, classes, images) are known."""

    known: np.ndarray
    unit: float = 1.0

    def scores(self, held: np.ndarray) -> np.ndarray:
        return self.known[..., held]

    def weights(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        return np.full((1, CLASSES), penalty), np.zeros(CLASSES)


def chosen(scores: np.ndarray, *, images: np.ndarray, draws: np.ndarray) -> float:
    """The penalty chosen from scores (draws, penalties, classes, images) in some order."""
    paths = [Answers(scores[draw]) for draw in draws]
    return _chosen(1, paths, images, TARGET).penalty


def answers(rng: np.random.Generator) -> np.ndarray:
    """Scores (draws, penalties, classes, images), shared by 1 to 7 classes, all penalties equal."""
    base = rng.integers(0, 2, (CLASSES, DRAWS * IMAGES)).astype(float)
    rows = [base[:, rng.permutation(DRAWS * IMAGES)] for _ in GRID]
    return np.stack(rows).reshape(len(GRID), CLASSES, DRAWS, IMAGES).transpose(2, 0, 1, 3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_tie_stays_a_tie_in_any_order_and_the_largest_penalty_wins_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = answers(rng)
    for _ in range(3):
        images, draws = rng.permutation(IMAGES), rng.permutation(DRAWS)
        assert chosen(scores, images=images, draws=draws) == GRID[-1]
    # One image more is right at another penalty: no tie any longer.
    own = tuple(np.argwhere(sharers(scores, TARGET)[:, 4] != 1)[0])
    scores[own[0], 4, :, own[1]] = np.eye(CLASSES)[0]
    for _ in range(3):
        images, draws = rng.permutation(IMAGES), rng.permutation(DRAWS)
        assert chosen(scores, images=images, draws=draws) == GRID[4]


def test_float_means_would_break_these_ties() -> None:
    # What the test above is about happens: else it would hold nothing.
    scores = answers(np.random.default_rng(0))
    means = hits(scores, TARGET).mean(axis=(0, 2))
    assert len(set(means.tolist())) > 1


def test_hits_are_summed_exactly_and_those_of_all_classes_are_one() -> None:
    assert total([3, 3, 3, 0, 1]) == 2
    assert total([3, 7, 0]) == Fraction(10, 21)
    assert total([]) == 0
    scores = np.random.default_rng(0).integers(0, 2, (4, CLASSES, 5)).astype(float)
    each = [sharers(scores, np.full(5, one)) for one in range(CLASSES)]
    for image in np.ndindex(4, 5):
        assert total(one[image] for one in each) == 1


@pytest.mark.parametrize("channels", [3, 60])
def test_classes_that_learn_from_the_same_images_share_them(channels: int) -> None:
    # Every image is there as 0 and as 1: their scores differ by rounding, if at all.
    rng = np.random.default_rng(1)
    once, other = 50 + rng.normal(size=(11, channels)), 53 + rng.normal(size=(11, channels))
    x = np.concatenate([once, other, once[::-1]])
    target = np.repeat([0, 2, 1], 11)
    path = from_rows(x, 2.0 * np.eye(3)[target] - 1, scale=x.std(axis=0))
    scores = path.scores(x)
    np.testing.assert_array_equal(hits(scores, target)[:8, :11], 0.5)
    np.testing.assert_array_equal(hits(scores, target)[:8, 22:], 0.5)
    order = np.array([1, 0, 2])
    swapped = sharers(scores[:, order], order[target])
    np.testing.assert_array_equal(swapped, sharers(scores, target))
    np.testing.assert_array_equal(swapped[:8, 11:22], 1)
