"""Train, held out and test: fixed, stratified, apart; and what can't be split."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seelike.analysis.errors import AnalysisError
from seelike.analysis.probing import Probing, split


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(12, 40), min_size=2, max_size=5),
    seed=st.integers(0, 99),
    share=st.floats(0.1, 0.5),
)
def test_parts_are_apart_and_every_class_is_in_each_by_its_share(
    sizes: list[int], seed: int, share: float
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)) * 3, sizes))
    design = Probing(shots=(2, 1), draws=4, test=share, seed=seed)
    found = split(labels.tolist(), design)
    everything = np.concatenate([found.train, found.held_out, found.test])
    assert sorted(everything.tolist()) == list(range(len(labels)))
    assert found.classes == tuple(np.unique(labels).tolist())
    for number, size in enumerate(sizes):
        tested = (found.target[found.test] == number).sum()
        assert abs(tested - share * size) <= 0.5
        assert (found.target[found.held_out] == number).sum() >= 1
    again = split(labels.tolist(), design)
    np.testing.assert_array_equal(again.test, found.test)
    np.testing.assert_array_equal(again.supports, found.supports)
    for draw in range(4):
        two, one = found.support(draw, 2), found.support(draw, 1)
        assert set(one) < set(two) <= set(found.train)
        assert np.bincount(found.target[two]).tolist() == [2] * len(sizes)
        assert np.bincount(found.target[one]).tolist() == [1] * len(sizes)


def test_a_seed_names_the_split_and_draws_differ() -> None:
    labels = [i % 4 for i in range(200)]
    first, other = split(labels, Probing()), split(labels, Probing(seed=1))
    assert set(first.test) != set(other.test)
    assert len({tuple(sorted(support)) for support in first.supports}) == 5
    # Fewer shots or draws leave the parts, and the images of those that stay.
    fewer = split(labels, Probing(shots=(1, 5), draws=2))
    np.testing.assert_array_equal(fewer.test, first.test)
    np.testing.assert_array_equal(fewer.support(1, 5), first.support(1, 5))


@pytest.mark.parametrize(
    ("labels", "design", "message"),
    [
        ([4] * 20, Probing(), "all 20 images are of class 4"),
        ([0] * 50 + [7] * 2, Probing(shots=(1,)), "class 7 has 2 images, too few to train"),
        (
            [0] * 50 + [3] * 12,
            Probing(shots=(1, 10)),
            r"shots are 10, but the smallest class, 3, has 7 training images \(of its 12, 3 "
            r"are for testing and 2 held out\); set probing.shots to at most 7",
        ),
    ],
)
def test_labels_that_cannot_be_split_are_refused(
    labels: list[int], design: Probing, message: str
) -> None:
    with pytest.raises(AnalysisError, match=message):
        split(labels, design)


def test_a_design_without_probes_is_none() -> None:
    with pytest.raises(ValueError, match="no probe is chosen"):
        Probing(shots=(), full=False)
    with pytest.raises(ValueError, match="expected at least 1 image per class"):
        Probing(shots=(0, 5))
