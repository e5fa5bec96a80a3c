"""A sketch is a random linear map: unbiased, of known variance, the same wherever it is made."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.nearest.sketches import (
    NONZEROS,
    Projection,
    combine_batches,
    estimate_cka,
    sketch_batch,
    standard_error,
)

SMALL = 64
DRAWS = 2000


def directions(taps: int, pairs: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(taps, pairs))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def pair_of(cosine: float, pairs: int = 300) -> np.ndarray:
    """Two unit vectors with that cosine, half of their energy in a few of the pairs."""
    rng = np.random.default_rng(3)
    shared, own = rng.normal(size=(2, pairs)) * np.where(np.arange(pairs) < 5, 8.0, 1.0)
    shared /= np.linalg.norm(shared)
    own -= (own @ shared) * shared
    own /= np.linalg.norm(own)
    other = cosine * shared + np.sqrt(1 - cosine**2) * own
    return np.stack([shared, other]).astype(np.float32)


def drawn(vectors: np.ndarray) -> np.ndarray:
    """The two vectors' sketches under many draws of the map: (draws, 2, SMALL)."""
    return np.stack(
        [
            sketch_batch(vectors, batch=1, projection=Projection(SMALL, seed)).astype(float)
            for seed in range(DRAWS)
        ]
    )


@pytest.mark.parametrize("cosine", [-0.2, 0.0, 0.5, 0.95])
def test_inner_products_and_cosines_are_unbiased_within_the_stated_variances(cosine: float) -> None:
    vectors = pair_of(cosine)
    x, y = vectors.astype(float)
    sketches = drawn(vectors)
    products = np.einsum("rd,rd->r", sketches[:, 0], sketches[:, 1])
    estimates = np.array([estimate_cka(a, b[None])[0] for a, b in sketches])

    # The formula for independent rows: a batch's entries meet a little less often than it says.
    variance = ((x @ x) * (y @ y) + (x @ y) ** 2 - 2 * (x**2 * y**2).sum()) / SMALL
    error = standard_error(cosine, dimension=SMALL)
    # Five standard errors of a mean of so many draws; of a variance, 20 %.
    assert abs(products.mean() - x @ y) < 5 * np.sqrt(variance / DRAWS)
    assert abs(estimates.mean() - x @ y) < 5 * error / np.sqrt(DRAWS)
    assert 0.5 * variance < products.var() < 1.2 * variance
    assert 0.4 * error < estimates.std() < 1.1 * error


def test_a_tap_is_exactly_like_itself_and_lengths_are_kept_on_average() -> None:
    vectors = pair_of(0.3)
    sketches = drawn(vectors)
    assert estimate_cka(sketches[0, 0], sketches[0, :1]).tolist() == [1.0]
    lengths = np.einsum("rd,rd->r", sketches[:, 0], sketches[:, 0])
    assert abs(lengths.mean() - 1) < 5 * np.sqrt(2 / SMALL / DRAWS)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(7, 400), st.integers(0, 9))
def test_every_tap_has_the_same_bytes_however_taps_are_cut(
    cuts: list[int], pairs: int, batch: int
) -> None:
    rows = directions(sum(cuts), pairs)
    projection = Projection(32, 5)
    whole = sketch_batch(rows, batch=batch, projection=projection)
    pieces = np.split(rows, np.cumsum(cuts)[:-1])
    cut = [sketch_batch(piece, batch=batch, projection=projection) for piece in pieces]
    assert np.concatenate(cut).tobytes() == whole.tobytes()


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_it_is_linear(a: float, b: float) -> None:
    x, y = directions(2, 210)
    projection = Projection(SMALL)
    both = sketch_batch(np.stack([x, y, a * x + b * y]), batch=0, projection=projection).astype(
        float
    )
    np.testing.assert_allclose(a * both[0] + b * both[1], both[2], atol=1e-6)


def test_batches_add_up_to_the_map_of_the_whole_signature() -> None:
    """By the matrix itself, written out by sketching every unit vector of every batch."""
    pairs, projection = (45, 45, 28), Projection(16, 2)
    rng = np.random.default_rng(1)
    norms = rng.uniform(0.5, 2, size=(3, 4)) * 10.0 ** rng.integers(-20, 20, size=4)
    parts = [directions(4, length, seed) for seed, length in enumerate(pairs)]
    matrix = np.hstack(
        [
            sketch_batch(np.eye(length), batch=batch, projection=projection).T.astype(float)
            for batch, length in enumerate(pairs)
        ]
    )
    assert ((matrix != 0).sum(axis=0) == NONZEROS).all()
    np.testing.assert_allclose(np.abs(matrix[matrix != 0]), NONZEROS**-0.5)
    whole = np.hstack([norm[:, None] * part for norm, part in zip(norms, parts, strict=True)])
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)

    made = combine_batches(
        (sketch_batch(p, batch=b, projection=projection) for b, p in enumerate(parts)), norms
    )
    np.testing.assert_allclose(made, whole @ matrix.T, atol=1e-6)


def test_batches_and_seeds_have_maps_of_their_own_that_never_change() -> None:
    row = directions(1, 300)
    made = {
        (seed, batch): sketch_batch(row, batch=batch, projection=Projection(SMALL, seed)).tobytes()
        for seed in (0, 1)
        for batch in (0, 1)
    }
    assert len(set(made.values())) == 4
    ones = sketch_batch(np.ones((1, 10)), batch=0, projection=Projection(8, 0))[0]
    # Written down once: a change of the map needs another name for it.
    assert ones.tolist() == PINNED


PINNED = [-1.5, 1.5, -1.5, 0.5, 0.5, -1.5, 2.5, -0.5]


def test_a_constant_tap_has_a_sketch_of_zeros_beside_the_others() -> None:
    projection = Projection(16)
    parts = [sketch_batch(directions(2, 40), batch=b, projection=projection) for b in range(2)]
    made = combine_batches(parts, [[0.0, 1.0], [0.0, 2.0]])
    assert not made[0].any()
    assert made[1].any()


@pytest.mark.parametrize("dimension", [0, 2, 63, -4])
def test_other_dimensions_are_refused(dimension: int) -> None:
    with pytest.raises(AnalysisError, match="positive multiple of 4"):
        Projection(dimension)


def test_negative_seeds_are_refused() -> None:
    with pytest.raises(AnalysisError, match="seed of a sketch is -1"):
        Projection(64, -1)
