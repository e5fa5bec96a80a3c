import pytest
from hypothesis import given
from hypothesis import strategies as st

from seelike.storage.arrays.batches import CHUNK_BYTES, batches, block, shards
from seelike.storage.errors import StorageError


@given(st.integers(4, 5000), st.integers(4, 600))
def test_no_image_is_dropped_and_no_batch_is_too_small(count: int, batch: int) -> None:
    bounds = batches(count, batch)
    assert [i for start, stop in bounds for i in range(start, stop)] == list(range(count))
    sizes = [stop - start for start, stop in bounds]
    assert all(size == batch for size in sizes[:-1])
    assert 4 <= sizes[-1] < batch + 4


def test_a_short_last_batch_stays_or_joins_the_one_before() -> None:
    assert batches(104, 50) == [(0, 50), (50, 100), (100, 104)]
    assert batches(103, 50) == [(0, 50), (50, 103)]
    assert batches(100, 50) == [(0, 50), (50, 100)]
    assert batches(30, 50) == [(0, 30)]


@pytest.mark.parametrize(("count", "batch"), [(3, 50), (100, 3)])
def test_fewer_than_four_is_refused(count: int, batch: int) -> None:
    with pytest.raises(StorageError, match="needs at least 4"):
        batches(count, batch)


@given(st.integers(4, 2048), st.integers(1, 10**9))
def test_blocks_divide_the_batch_and_stay_in_the_chunk_size(batch: int, size: int) -> None:
    rows = block(batch, bytes_per_image=size)
    assert batch % rows == 0
    assert rows == 1 or rows * size <= CHUNK_BYTES


@given(st.integers(4, 5000), st.integers(4, 600), st.integers(4, 9000))
def test_shards_hold_every_batch_once(count: int, batch: int, images: int) -> None:
    bounds = batches(count, batch)
    found = [b for shard in shards(bounds, images=images) for b in shard]
    assert found == list(range(len(bounds)))
