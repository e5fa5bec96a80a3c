"""Ceilings and the sanity check: against CKA written out, planted signals, and wrong input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import DegenerateTaps, cell_interval, cka_from_hsic
from seelike.analysis.similarity.intervals.ceilings import Seeds, matched_share

TAPS = ("stem", "blocks.0", "norm")
MODELS = ("vit", "vit again", "vit once more", "resnet", "resnet again", "mixer")
ARCHITECTURES = (MODELS[:3], MODELS[3:5], MODELS[5:])


def hsic(seed: int, *, batches: int = 6, own: float = 0.6) -> np.ndarray:
    """Parts of the six models: each tap a signal of its architecture, and noise of its seed."""
    rng = np.random.default_rng(seed)
    signal = {name: rng.normal(size=(batches, len(TAPS), 400)) for name in ("v", "r", "m")}
    signal["r"] = 0.8 * signal["v"] + 0.6 * signal["r"]
    rows = [signal[m[0]] + own * rng.normal(size=signal["v"].shape) for m in MODELS]
    signed = np.concatenate(rows, axis=1)
    return signed @ signed.transpose(0, 2, 1)


def seeds(parts: np.ndarray) -> Seeds:
    model = [name for name in MODELS for _ in TAPS]
    return Seeds(parts, model, TAPS * len(MODELS), ARCHITECTURES)


def own(model: str) -> slice:
    start = MODELS.index(model) * len(TAPS)
    return slice(start, start + len(TAPS))


def test_identical_networks_match_layer_by_layer() -> None:
    layers = np.random.default_rng(0).normal(size=(6, 40))
    layers /= np.linalg.norm(layers, axis=1, keepdims=True)
    assert matched_share(layers @ layers.T) == 1.0
    assert matched_share(layers @ layers[::-1].T) == 0.0
    # Two layers that are the same function are both the best match.
    twice = layers[[0, 1, 1, 2]]
    assert matched_share(twice @ twice.T) == 1.0


def test_matched_share_averages_both_directions() -> None:
    across = np.array([[0.9, 0.8, 0.1], [0.2, 0.7, 0.1], [0.3, 0.75, 0.2]])
    # Of A's layers 0 and 1 are matched (2 / 3); of B's 0 and 2 are (2 / 3), 1 prefers A's 0.
    assert matched_share(across) == pytest.approx(2 / 3)
    across[0, 1] = 0.5
    assert matched_share(across) == pytest.approx((2 / 3 + 2 / 3) / 2)
    across[2, 1] = 0.6
    assert matched_share(across) == pytest.approx((2 / 3 + 1) / 2)


@given(st.integers(0, 10**6), st.integers(2, 8))
def test_matched_share_is_symmetric_and_blind_to_the_order_of_layers(seed: int, taps: int) -> None:
    rng = np.random.default_rng(seed)
    across, order = rng.normal(size=(taps, taps)), rng.permutation(taps)
    assert matched_share(across) == pytest.approx(matched_share(across.T))
    assert matched_share(across) == pytest.approx(matched_share(across[np.ix_(order, order)]))


def test_the_matched_share_of_two_seeds_is_that_of_their_block_of_the_whole_matrix() -> None:
    parts = hsic(0, own=9.0)
    across = cka_from_hsic(parts)[own("vit"), own("vit again")]
    assert seeds(parts).matched_share("vit", "vit again") == matched_share(across)
    assert 0 < matched_share(across) < 1


def test_ceilings_are_cka_of_corresponding_taps_of_every_two_seeds() -> None:
    parts = hsic(1)
    found = seeds(parts).ceilings()
    assert [(one.first, one.second) for one in found] == [
        ("vit", "vit again"),
        ("vit", "vit once more"),
        ("vit again", "vit once more"),
        ("resnet", "resnet again"),
    ]
    interval = cell_interval(parts)
    assert interval is not None
    for one in found:
        assert one.taps == TAPS
        for values, matrix in (
            (one.cka.value, cka_from_hsic(parts)),
            (one.cka.low, interval[0]),
            (one.cka.high, interval[1]),
        ):
            np.testing.assert_allclose(values, np.diag(matrix[own(one.first), own(one.second)]))


def test_one_batch_gives_numbers_without_intervals() -> None:
    alone = seeds(hsic(3, batches=1))
    assert alone.ceilings()[0].cka.low is None
    assert alone.ceilings()[0].cka.high is None
    assert 0 <= alone.matched_share("vit", "vit again") <= 1


def test_a_tap_that_varies_in_one_batch_alone_and_nearly_one_batch_leave_no_interval() -> None:
    parts = hsic(3)
    parts[1:, 0] = parts[1:, :, 0] = 0
    assert seeds(parts).ceilings()[0].cka.low is None
    model = [name for name in MODELS for _ in TAPS]
    uneven = Seeds(hsic(3, batches=2), model, TAPS * len(MODELS), ARCHITECTURES, images=[256, 4])
    assert uneven.ceilings()[0].cka.low is None


def test_mistakes_are_named() -> None:
    parts = hsic(4)
    model = [name for name in MODELS for _ in TAPS]
    tap = list(TAPS * len(MODELS))
    with pytest.raises(AnalysisError, match=r"mixer has no second seed"):
        seeds(parts).matched_share("mixer", "vit")
    with pytest.raises(AnalysisError, match="vit and resnet are not seeds"):
        seeds(parts).matched_share("vit", "resnet")
    with pytest.raises(AnalysisError, match=r"only one of them has blocks\.0, blocks\.9"):
        Seeds(parts, model, [*TAPS[:1], "blocks.9", *tap[2:]], ARCHITECTURES)
    with pytest.raises(AnalysisError, match="its taps in that order"):
        Seeds(parts, model, [*TAPS[::-1], *tap[3:]], ARCHITECTURES)
    with pytest.raises(AnalysisError, match="expected \\(batches, T, T\\), T and T"):
        Seeds(parts[:, 1:], model, tap, ARCHITECTURES)
    with pytest.raises(AnalysisError, match=r"\(2, 3\), expected \(T, T\)"):
        matched_share(np.ones((2, 3)))
    constant = parts.copy()
    constant[:, 2] = constant[:, :, 2] = 0
    with pytest.raises(DegenerateTaps, match=r"taps \[2\]"):
        seeds(constant).ceilings()
