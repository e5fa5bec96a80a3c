"""The nearest taps are those of the whole CKA matrix, and those of all sketches, however cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import cell_interval, cka_matrix
from seelike.analysis.similarity.nearest.nearest import largest_places, nearest, query
from seelike.analysis.similarity.nearest.sketches import estimate_cka


def signed(batches: int, taps: int, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (batches, T, pairs) with something in common, and lengths (batches, T)."""
    rng = np.random.default_rng(batches)
    rows = rng.normal(size=(batches, 1, pairs)) + rng.normal(size=(batches, taps, pairs))
    lengths = np.linalg.norm(rows, axis=2)
    return rows / lengths[:, :, None], lengths * 10.0 ** rng.integers(-9, 9, size=taps)


def test_a_query_is_a_row_of_the_cka_matrix_with_the_same_intervals() -> None:
    directions, lengths = signed(batches=6, taps=7, pairs=50)
    whole = (directions * lengths[:, :, None]).transpose(1, 0, 2)
    weights = lengths / np.sqrt((lengths**2).sum(axis=0))
    parts = np.einsum("btp,bsp->bts", directions, directions)
    parts *= weights[:, :, None] * weights[:, None, :]
    asked = query(np.einsum("btp,bp->bt", directions, directions[:, 2]), lengths[:, 2], lengths)

    np.testing.assert_allclose(asked.cka, cka_matrix(whole)[2], atol=1e-12)
    places = np.array([5, 0, 6])
    for images in (None, [64] * 5 + [20]):
        bounds = asked.of(places).interval(images=images)
        for mine, theirs in zip(bounds, cell_interval(parts, images=images), strict=True):
            np.testing.assert_allclose(mine, theirs[2, places], atol=1e-12)


def test_one_batch_has_no_interval_and_a_tap_that_varies_in_one_has_the_whole() -> None:
    assert query([[0.5]], [1.0], [[1.0]]).interval() is None
    asked = query([[0.5, 0.5], [0.5, 0.4]], [1.0, 1.0], [[0.0, 1.0], [2.0, 1.0]])
    low, high = asked.interval()
    assert (low[0], high[0]) == (-1, 1)
    assert -1 < low[1] < asked.cka[1] < high[1] <= 1
    low, high = query([[0.5], [0.5]], [0.0, 1.0], [[1.0], [1.0]]).interval()
    assert (low[0], high[0]) == (-1, 1)


def test_a_constant_tap_is_refused() -> None:
    with pytest.raises(AnalysisError, match="zero in all batches"):
        query([[0.0, 0.5]], [1.0], [[0.0, 1.0]])


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(1, 40))
def test_the_best_are_the_largest_and_of_equals_the_earlier(values: list[int], count: int) -> None:
    expected = sorted(range(len(values)), key=lambda i: (-values[i], i))[:count]
    assert largest_places(values, count).tolist() == expected


def test_nothing_is_best_of_nan_or_of_none() -> None:
    with pytest.raises(AnalysisError, match="NaN"):
        largest_places([0.0, float("nan")], 1)
    with pytest.raises(AnalysisError, match="0 nearest layers"):
        largest_places([0.0], 0)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.integers(1, 12))
def test_sketches_in_any_blocks_give_the_same_neighbours(sizes: list[int], count: int) -> None:
    rng = np.random.default_rng(len(sizes))
    rows = rng.normal(size=(sum(sizes), 16)).astype(np.float32) / 4
    asked = rng.normal(size=16).astype(np.float32) / 4
    every = estimate_cka(asked, rows)
    expected = largest_places(every, count)

    places, values = nearest(asked, np.split(rows, np.cumsum(sizes)[:-1]), count=count)
    assert places.tolist() == expected.tolist()
    np.testing.assert_array_equal(values, every[expected])
