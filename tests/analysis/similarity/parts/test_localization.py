"""Localization against CKA one pair at a time, and of networks whose answer is known."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import NonFinite, cka, minibatch_cka
from seelike.analysis.similarity.parts import localization as localization_module
from seelike.analysis.similarity.parts.localization import (
    Hsics,
    batch_hsics,
    concatenate,
    localize,
    signatures,
)
from seelike.analysis.similarity.parts.localization_scores import score, token_scores

BATCHES = 5


def images(seed: int = 0, *, n: int = 20, places: int = 6, features: int = 7) -> list[np.ndarray]:
    """Batches of patches: neighbours share something, so that no CKA is trivial."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(BATCHES, n, 1, features))
    return list(rng.normal(size=(BATCHES, n, places, features)) + common)


def mixed(patches: list[np.ndarray], seed: int = 1) -> list[np.ndarray]:
    """Tokens of a layer that mixes all patches and maps them to other features."""
    rng = np.random.default_rng(seed)
    count, features = patches[0].shape[1:]
    mixing = np.eye(count) + 0.3 * rng.normal(size=(count, count))
    channels = rng.normal(size=(features, 5))
    return [np.tanh(np.einsum("st,ntd->nsd", mixing, x) @ channels) for x in patches]


def one_at_a_time(tokens: list[np.ndarray], patches: list[np.ndarray]) -> np.ndarray:
    return np.array(
        [
            [
                minibatch_cka([x[:, t] for x in tokens], [y[:, p] for y in patches])
                for p in range(patches[0].shape[1])
            ]
            for t in range(tokens[0].shape[1])
        ]
    )


def test_one_batch_is_cka_of_every_token_with_every_patch() -> None:
    (y, *_), (x, *_) = images(), mixed(images())
    expected = [[cka(x[:, t], y[:, p]) for p in range(6)] for t in range(6)]
    assert localize([x], [y]).cka() == pytest.approx(np.array(expected), abs=1e-6)


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=15)
def test_batches_are_minibatch_cka_of_every_token_with_every_patch(seed: int) -> None:
    patches = images(seed)
    patches[1] = 30 * patches[1][:11]  # A small batch that outweighs the others.
    tokens = mixed(patches, seed)
    found = localize(iter(tokens), iter(patches)).cka()
    assert found == pytest.approx(one_at_a_time(tokens, patches), abs=2e-6)


def test_tokens_in_several_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    patches, tokens = images(), mixed(images())
    whole = localize(tokens, patches).cka()
    monkeypatch.setattr(localization_module, "BLOCK", 2 * 20 * 19 // 2)  # Two tokens a block.
    assert localize(tokens, patches).cka() == pytest.approx(whole, abs=1e-6)


def test_no_more_signatures_of_tokens_are_held_than_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    n, tokens, held = 40, np.random.default_rng(0).normal(size=(40, 800, 1)), 20 * 40 * 39 // 2
    patches = signatures(tokens[:, :3])
    monkeypatch.setattr(localization_module, "BLOCK", held)
    tracemalloc.start()
    try:
        batch_hsics(tokens, patches)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    every_signature = 800 * 2 * n * (n - 1)
    assert peak < every_signature / 2


def test_an_identity_network_is_localized_perfectly() -> None:
    patches = images()
    found = score(localize(patches, patches))
    assert (found.share.value, found.share.low, found.share.high) == (1.0, 1.0, 1.0)
    assert (found.rank.value, found.rank.low, found.rank.high) == (1.0, 1.0, 1.0)
    assert found.z.value > 2 and found.z.low is not None and found.z.low <= found.z.value
    assert (found.tokens, found.patches, found.left_out) == (6, 6, ())


@given(st.permutations(range(6)))
@settings(deadline=None, max_examples=20)
def test_shuffled_tokens_are_localized_where_they_came_from(order: list[int]) -> None:
    patches = images()
    hsics = localize([x[:, order] for x in patches], patches)
    assert hsics.cka().argmax(axis=1).tolist() == order
    assert score(hsics, own=order).share.value == 1.0
    at_home = np.mean([token == patch for token, patch in enumerate(order)])
    assert score(hsics).share.value == pytest.approx(at_home)


@given(
    st.integers(0, 10**6),
    st.floats(1e-3, 1e3),
    st.floats(-100, 100),
    st.permutations(range(20)),
)
@settings(deadline=None, max_examples=20)
def test_invariant_to_rotation_scale_and_shift_of_a_token_and_to_the_order_of_images(
    seed: int, scale: float, shift: float, order: list[int]
) -> None:
    y, x = images(seed)[0], mixed(images(seed))[0]
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
    moved = x.copy()
    moved[:, 2] = scale * x[:, 2] @ rotation + shift
    found = localize([moved[order]], [y[order]]).cka()
    assert found == pytest.approx(localize([x], [y]).cka(), abs=5e-6)


@given(st.integers(0, 10**6), st.permutations(range(6)), st.permutations(range(6)))
@settings(deadline=None, max_examples=20)
def test_scores_do_not_depend_on_how_tokens_and_patches_are_numbered(
    seed: int, tokens: list[int], patches: list[int]
) -> None:
    ys, xs = images(seed), mixed(images(seed))
    plain = score(localize(xs, ys))
    own = np.argsort(patches)[tokens]
    renumbered = localize([x[:, tokens] for x in xs], [y[:, patches] for y in ys])
    again = score(renumbered, own=own)
    for a, b in ((plain.share, again.share), (plain.rank, again.rank), (plain.z, again.z)):
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), abs=1e-4)


def test_scores_of_a_matrix_by_hand() -> None:
    matrix = np.array(
        [
            [0.9, 0.1, 0.2, 0.3],  # Its own is the largest.
            [0.5, 0.4, 0.3, 0.2],  # Second.
            [0.7, 0.1, 0.7, 0.1],  # Shares the first rank with another.
            [0.5, 0.5, 0.5, 0.5],  # Tells nothing: chance.
        ]
    )
    found = token_scores(matrix)
    assert found.localized.tolist() == [1.0, 0.0, 0.5, 0.25]
    assert found.rank.tolist() == [1.0, 2.0, 1.5, 2.5]
    z = [0.7 / np.std([0.1, 0.2, 0.3]), (0.4 - 1 / 3) / np.std([0.5, 0.3, 0.2]), 0.4 / 0.2828427, 0]
    assert found.z == pytest.approx(np.array(z), rel=1e-6)


def test_equal_patches_share_the_first_rank_whatever_the_rounding() -> None:
    patches = images(n=40, places=9, features=50)
    for batch in patches:
        batch[:, 4] = batch[:, 8] = batch[:, 0]
    found = token_scores(localize(patches, patches).cka())
    assert found.localized.tolist() == [1 / 3, 1, 1, 1, 1 / 3, 1, 1, 1, 1 / 3]
    assert found.rank.tolist() == [2, 1, 1, 1, 2, 1, 1, 1, 2]


def test_tokens_that_know_nothing_of_the_images_score_as_chance() -> None:
    rng, count = np.random.default_rng(3), 80
    patches, tokens = rng.normal(size=(2, 3, 24, count, 5))
    found = score(localize(list(tokens), list(patches)))
    # Three standard errors of a mean over the tokens.
    few = 3 / np.sqrt(count)
    assert found.share.value == pytest.approx(1 / count, abs=few / np.sqrt(count))
    assert found.rank.value == pytest.approx((count + 1) / 2, abs=few * count / np.sqrt(12))
    assert found.z.value == pytest.approx(0.0, abs=few)


def test_an_interval_is_that_of_all_computed_again_without_each_batch() -> None:
    hsics = localize(mixed(images()), images())
    kept = [[batch for batch in range(BATCHES) if batch != j] for j in range(BATCHES)]
    matrices = np.stack([concatenate([part(hsics, batch) for batch in own]).cka() for own in kept])

    def reach(left: np.ndarray) -> np.ndarray:
        error = np.sqrt((BATCHES - 1) / BATCHES * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
        return stats.t.ppf(0.975, BATCHES - 1) * error

    found = score(hsics).z
    half = reach(token_scores(matrices).z.mean(axis=1))
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))


def test_intervals_hold_what_they_are_of() -> None:
    for seed in range(10):
        found = score(localize(mixed(images(seed), seed), images(seed)))
        for measured in (found.share, found.rank, found.z):
            assert measured.low is not None and measured.high is not None
            assert measured.low <= measured.value <= measured.high


def part(hsics: Hsics, batch: int) -> Hsics:
    one = slice(batch, batch + 1)
    return Hsics(hsics.crossed[one], hsics.tokens[one], hsics.patches[one])


def test_one_batch_has_no_interval() -> None:
    hsics = localize(images()[:1], images()[:1])
    found = score(hsics)
    assert (found.share.value, found.share.low, found.z.high) == (1.0, None, None)


def test_constant_places_are_marked_and_left_out_of_the_scores() -> None:
    patches, tokens = images(), images()
    for x, y in zip(tokens, patches, strict=True):
        x[:, 1] = 3.7
        y[:, 4] = -0.42
    hsics = localize(tokens, patches)
    assert hsics.constant_patches == (4,)
    matrix = hsics.cka()
    assert np.isnan(matrix[1]).all() and np.isnan(matrix[:, 4]).all()
    assert np.isfinite(np.delete(np.delete(matrix, 1, 0), 4, 1)).all()
    found = score(hsics)
    assert (found.tokens, found.patches, found.left_out) == (4, 5, (1, 4))
    assert (found.share.value, found.rank.value) == (1.0, 1.0)


def test_what_varies_in_one_batch_counts_where_that_batch_does() -> None:
    patches = images()
    for batch in patches[1:]:
        batch[:, 5] = 0.0
    found = score(localize(patches, patches))
    assert (found.tokens, found.left_out) == (6, ())
    assert (found.share.value, found.share.low, found.share.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("background", [0.0, -0.42421296, 1e4])
@pytest.mark.parametrize("n", [4, 30])
def test_a_place_that_differs_in_a_single_image_does_not_vary(background: float, n: int) -> None:
    x = np.full((n, 2, 3), background, np.float32)
    x[1, 0] += [1.5, 0.25, 7.0]  # One image apart: nothing is left once U-centred.
    x[1:3, 1] += [[1.5, 0.25, 7.0], [0.5, 2.0, 1.0]]
    lengths = signatures(x).lengths
    assert lengths[0] == 0.0
    assert lengths[1] > 0.0


def test_an_image_far_from_the_others_does_not_hide_them() -> None:
    y, x = images(n=40)[0], mixed(images(n=40))[0]
    far = x.copy()
    far[3] *= 1e3
    found = localize([far], [y]).cka()
    assert found == pytest.approx(one_at_a_time([far], [y]), abs=2e-6)


def test_what_does_not_fit_is_refused() -> None:
    y = images()[0]
    with pytest.raises(AnalysisError, match=r"tokens of 19 images and patches of 20"):
        batch_hsics(y[:19], signatures(y))
    with pytest.raises(AnalysisError, match=r"shape \(20, 6\), expected \(images, places, feat"):
        signatures(y[:, :, 0])
    with pytest.raises(AnalysisError, match="at least 4 images"):
        signatures(y[:3])
    with pytest.raises(AnalysisError, match="batch 1 has no patches"):
        localize([y, y], [y])
    with pytest.raises(AnalysisError, match="no batch; give at least one"):
        localize([], [])
    with pytest.raises(AnalysisError, match="5 tokens x 6 patches and 6 tokens x 6 patches"):
        localize([y, y[:, :5]], [y, y])
    y[7, 2, 1] = np.nan
    with pytest.raises(NonFinite, match="image 7"):
        signatures(y)


def test_what_memory_does_not_hold_is_refused() -> None:
    with pytest.raises(AnalysisError, match=r"12544 places and 256 images take 1\.5 GB, at most 1"):
        signatures(np.broadcast_to(np.float32(0), (256, 12544, 3)))
    many = np.zeros((4, 4097, 1), np.float32)
    with pytest.raises(AnalysisError, match="4097 tokens and 4097 patches are more than 16777216"):
        batch_hsics(many, signatures(many))


def test_scores_name_what_is_wrong_with_own_patches() -> None:
    y = images()[0]
    with pytest.raises(AnalysisError, match="5 tokens and 6 patches: give 'own'"):
        score(localize([y[:, :5]], [y]))
    with pytest.raises(AnalysisError, match="own patch 6, expected 0 to 5"):
        score(localize([y], [y]), own=[0, 1, 2, 3, 4, 6])
    with pytest.raises(AnalysisError, match="own patch -1, expected 0 to 5"):
        score(localize([y], [y]), own=[0, 1, 2, 3, 4, -1])
    with pytest.raises(AnalysisError, match=r"shape \(5,\)"):
        score(localize([y], [y]), own=[0, 1, 2, 3, 4])
    with pytest.raises(AnalysisError, match=r"2 patches and 2 tokens .* at least 3 and 1"):
        score(localize([y[:, :2]], [y[:, :2]]))
