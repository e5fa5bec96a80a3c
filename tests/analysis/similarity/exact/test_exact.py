"""Exact CKA out of core: both ways are the CKA of arrays in memory, within the memory stated."""

import tracemalloc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import DegenerateTaps, cka
from seelike.analysis.similarity.exact import cross_products, exact, gram_blocks
from seelike.analysis.similarity.exact.image_blocks import (
    PROCESS_BYTES,
    Layout,
    Plan,
    Read,
    Sums,
    layout,
)
from seelike.analysis.similarity.exact.kernels import Distances, Gaussian, Linear
from seelike.analysis.similarity.exact.shuffles import Shuffles

PLENTY = 4 * 10**9


def cut(count: int, batch: int) -> list[tuple[int, int]]:
    """``count`` images in batches, the last one short but of at least 4."""
    starts = list(range(0, max(count - 3, 1), batch))
    return list(zip(starts, [*starts[1:], count], strict=True))


def made(count: int, features: Sequence[int], seed: int = 0) -> list[np.ndarray]:
    """Taps that share four latent variables, float32."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(count, 4))
    return [
        (shared @ rng.normal(size=(4, p)) + rng.normal(size=(count, p))).astype(np.float32)
        for p in features
    ]


def laid_out(taps: Sequence[np.ndarray], batch: int, *, workers: int = 2) -> tuple[Layout, Read]:
    of = layout(cut(len(taps[0]), batch), [x.shape[1] for x in taps], workers=workers)
    return of, lambda tap, block: taps[tap][of.images_of(block)].copy()


def in_turn(steps: Sequence[Callable[[], Any]]) -> list[Any]:
    return [step() for step in steps]


def in_threads(steps: Sequence[Callable[[], Any]], *, workers: int = 2) -> list[Any]:
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda step: step(), steps))


def planned(of: Layout, way: str, kernel: str = "linear", **more: Any) -> Plan:
    if way == "cross-products":
        return cross_products.plan(of, **more)
    return gram_blocks.plan(of, kernel=kernel, **more)


def in_memory(taps: Sequence[np.ndarray], **how: Any) -> np.ndarray:
    return np.array([[cka(x, y, **how) for y in taps] for x in taps])


WAYS = [("Gram blocks", "linear"), ("Gram blocks", "rbf"), ("cross-products", "linear")]


@pytest.mark.parametrize("estimator", ["debiased", "biased"])
@pytest.mark.parametrize(("way", "kernel"), WAYS)
@pytest.mark.parametrize("batch", [4, 16, 33, 103])
def test_every_way_is_cka_in_memory(way: str, kernel: str, batch: int, estimator: str) -> None:
    taps = made(103, [3, 17, 40, 300, 1])
    taps[1] += np.float32(1e4)
    taps[2] *= np.float32(1e-25)
    taps[3] *= np.float32(1e20)
    of, read = laid_out(taps, batch)
    expected = in_memory(taps, estimator=estimator, kernel=kernel)
    least = planned(of, way, kernel, memory=0).peak
    for memory in (least, least + 60_000, PLENTY):
        sums = planned(of, way, kernel, memory=memory).sums(read, in_turn)
        value, low, high = exact.estimate(sums, estimator=estimator)
        np.testing.assert_allclose(value, expected, atol=1e-6)
        np.testing.assert_array_equal(value, value.T)
        assert (np.diag(value) == 1).all()
        if batch == 103:
            assert low is None
            assert high is None
        else:
            assert low is not None
            assert high is not None
            assert (low <= value).all()
            assert (value <= high).all()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(8, 90),
    batch=st.integers(4, 40),
    features=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    share=st.floats(0, 1),
    estimator=st.sampled_from(["debiased", "biased"]),
)
def test_both_ways_agree_however_images_and_taps_are_cut(
    seed: int, count: int, batch: int, features: list[int], share: float, estimator: str
) -> None:
    taps = made(count, features, seed)
    of, read = laid_out(taps, batch)
    found = []
    for way in ("Gram blocks", "cross-products"):
        least, most = (planned(of, way, memory=memory).peak for memory in (0, PLENTY))
        plan = planned(of, way, memory=int(least + share * (most - least)) + 1)
        sums = plan.sums(read, in_turn)
        found.append(
            np.stack([x for x in exact.estimate(sums, estimator=estimator) if x is not None])
        )
    np.testing.assert_allclose(found[0], found[1], atol=2e-5)
    np.testing.assert_allclose(found[0][0], in_memory(taps, estimator=estimator), atol=1e-5)


def kernels(taps: Sequence[np.ndarray], kernel: str) -> np.ndarray:
    """Kernel matrices (T, n, n) float64, written out."""
    made = []
    for x in taps:
        squared = np.square(x[:, None].astype(np.float64) - x).sum(axis=2)
        linear = x.astype(np.float64) @ x.T.astype(np.float64)
        made.append(linear if kernel == "linear" else np.exp(-2 * squared / np.median(squared)))
    return np.stack(made)


def cka_of_kernels(matrices: np.ndarray, estimator: str) -> np.ndarray:
    """HSIC of Song et al. (2012), eq. 5, or of Gretton et al. (2005), and its ratio."""
    n = matrices.shape[1]
    if estimator == "biased":
        centring = np.eye(n) - 1 / n
        centred = centring @ matrices @ centring
        hsic = np.einsum("aij,bij->ab", centred, centred)
    else:
        off = matrices * (1 - np.eye(n))
        rows, total = off.sum(axis=2), off.sum(axis=(1, 2))
        hsic = np.einsum("aij,bij->ab", off, off) - 2 / (n - 2) * rows @ rows.T
        hsic += np.outer(total, total) / ((n - 1) * (n - 2))
    own = np.sqrt(np.diag(hsic))
    return np.asarray(hsic / own / own[:, None])


@pytest.mark.parametrize("estimator", ["debiased", "biased"])
@pytest.mark.parametrize(("way", "kernel"), WAYS)
@pytest.mark.parametrize(("count", "batch"), [(60, 12), (57, 12), (74, 4)])
def test_the_interval_is_the_jackknife_of_recomputations(
    count: int, batch: int, way: str, kernel: str, estimator: str
) -> None:
    taps = made(count, [5, 20, 33])
    taps[0] += 50
    of, read = laid_out(taps, batch)
    _, low, high = exact.estimate(planned(of, way, kernel).sums(read, in_turn), estimator=estimator)
    whole = kernels(taps, kernel)
    value = cka_of_kernels(whole, estimator)
    members = [of.images_of_group(group) for group in range(of.group_count)]
    left_out = []
    for own in members:
        kept = np.delete(np.arange(count), own)
        left_out.append(cka_of_kernels(whole[:, kept][:, :, kept], estimator))
    sizes = [own.stop - own.start for own in members]
    # Each group by its share of the images; Efron & Stein (1981) for groups of one size.
    kept = 1 - np.array(sizes) / count
    middle = np.tensordot(kept, left_out, axes=1) / kept.sum()
    error = np.sqrt(np.tensordot(kept, np.square(left_out - middle), axes=1))
    freedom = count**2 / np.square(sizes).sum() - 1
    reach = stats.t.ppf(0.975, freedom) * error
    assert low is not None
    assert high is not None
    np.testing.assert_allclose(low, np.maximum(value - reach, -1), atol=1e-5)
    np.testing.assert_allclose(high, np.minimum(value + reach, 1), atol=1e-5)


def sums_of(matrices: np.ndarray, of: Layout) -> Sums:
    """The sums of kernel matrices (T, n, n), by their definition."""
    off = matrices * (1 - np.eye(of.images))
    members = [of.images_of_group(group) for group in range(of.group_count)]
    products = np.einsum("aij,bij->ab", off, off)
    lost = []
    for own in members:
        kept = np.delete(np.delete(off, own, axis=1), own, axis=2)
        lost.append(products - np.einsum("aij,bij->ab", kept, kept))
    rows = np.stack([off[:, :, own].sum(axis=2) for own in members], axis=1)
    none = np.empty((0, *products.shape), np.float32)
    return Sums(of, np.diagonal(matrices, axis1=1, axis2=2), rows, products, np.stack(lost), none)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["debiased", "biased"]))
def test_what_depends_on_one_image_of_a_pair_alone_changes_nothing(
    seed: int, estimator: str
) -> None:
    rng = np.random.default_rng(seed)
    taps = made(30, [6, 9], seed)
    of, _ = laid_out(taps, 10)
    plain = kernels(taps, "linear")
    shift = rng.normal(scale=5, size=(2, 30))
    shifted = plain + shift[:, :, None] + shift[:, None]
    for a, b in zip(
        exact.estimate(sums_of(plain, of), estimator=estimator),
        exact.estimate(sums_of(shifted, of), estimator=estimator),
        strict=True,
    ):
        assert a is not None
        assert b is not None
        np.testing.assert_allclose(a, b, atol=1e-9)


def test_the_kernels_are_u_centred_less_a_constant_and_the_formula() -> None:
    x = made(12, [7])[0].astype(np.float64)
    x -= x.mean(axis=0)
    linear, all_of = x @ x.T, slice(0, 12)
    energies = np.diag(linear)[None]
    entries = linear.astype(np.float32)
    Linear(energies).apply(entries, 0, all_of, all_of)
    off = entries * (1 - np.eye(12))
    np.testing.assert_allclose(off.sum(axis=1), np.zeros(12), atol=1e-5)
    entries = linear.astype(np.float32)
    gaussian = Gaussian(Distances(energies), np.array([0.1]), np.array([0.25]))
    gaussian.apply(entries, 0, all_of, all_of)
    expected = np.exp(-0.1 * np.square(x[:, None] - x).sum(axis=2)) - 0.25
    np.testing.assert_allclose(entries, expected, atol=1e-6)
    np.testing.assert_allclose(gaussian.diagonal[0], np.diag(expected))


def test_the_median_is_that_of_the_first_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gram_blocks, "MEDIAN_IMAGES", 21)
    taps = made(50, [5, 20])
    taps[0][21:] *= 3
    of, read = laid_out(taps, 12)
    value, *_ = exact.estimate(
        gram_blocks.plan(of, kernel="rbf").sums(read, in_turn), estimator="debiased"
    )
    whole = []
    for x in taps:
        squared = np.square(x[:, None].astype(np.float64) - x).sum(axis=2)
        whole.append(np.exp(-2 * squared / np.median(squared[:21, :21])))
    np.testing.assert_allclose(value, cka_of_kernels(np.stack(whole), "debiased"), atol=1e-6)


@pytest.mark.parametrize("way", ["Gram blocks", "cross-products"])
def test_one_image_far_from_the_others_costs_no_digits(way: str) -> None:
    taps = made(80, [200, 60])
    for x in taps:
        x[17] *= 1e3
    of, read = laid_out(taps, 20)
    value, *_ = exact.estimate(planned(of, way).sums(read, in_turn), estimator="debiased")
    expected = cka_of_kernels(kernels(taps, "linear"), "debiased")
    np.testing.assert_allclose(value, expected, atol=1e-4)


def test_negative_values_stay_negative() -> None:
    rng = np.random.default_rng(0)
    taps = [rng.normal(size=(12, 30)).astype(np.float32) for _ in range(8)]
    for way in ("Gram blocks", "cross-products"):
        of, read = laid_out(taps, 4)
        value, *_ = exact.estimate(planned(of, way).sums(read, in_turn), estimator="debiased")
        np.testing.assert_allclose(value, in_memory(taps), atol=1e-6)
        assert value.min() < -0.05


@pytest.mark.parametrize(("way", "kernel"), WAYS)
def test_constant_taps_are_named_by_their_indices(way: str, kernel: str) -> None:
    taps = made(40, [5, 6, 7, 8, 9])
    taps[1][:] = np.float32(0.1)
    taps[3][:] = 0
    # Constant but for rounding in the last place.
    taps[4][:] = np.float32(7)
    taps[4][::2, ::3] = np.nextafter(np.float32(7), np.float32(8))
    of, read = laid_out(taps, 10)
    with pytest.raises(DegenerateTaps) as error:
        planned(of, way, kernel).sums(read, in_turn)
    assert error.value.indices == [1, 3, 4]


def test_a_tap_of_mostly_one_image_has_no_median_distance() -> None:
    taps = made(40, [5, 6])
    taps[1][:36] = taps[1][0]
    of, read = laid_out(taps, 10)
    with pytest.raises(DegenerateTaps) as error:
        gram_blocks.plan(of, kernel="rbf").sums(read, in_turn)
    assert error.value.indices == [1]


@pytest.mark.parametrize(("way", "kernel"), [WAYS[0], WAYS[2]])
@pytest.mark.parametrize("estimator", ["debiased", "biased"])
def test_a_tap_that_varies_in_one_group_alone_has_the_widest_interval(
    way: str, kernel: str, estimator: str
) -> None:
    taps = made(40, [5, 6, 7])
    taps[1][10:] = taps[1][0]
    of, read = laid_out(taps, 10)
    sums = planned(of, way, kernel).sums(read, in_turn)
    value, low, high = exact.estimate(sums, estimator=estimator)
    assert low is not None
    assert high is not None
    np.testing.assert_array_equal(low[1], [-1, 1, -1])
    np.testing.assert_array_equal(high[1], [1, 1, 1])
    assert high[0, 2] - low[0, 2] < 1
    assert np.isfinite(value).all()


@given(count=st.integers(4, 3000), batch=st.integers(4, 700))
def test_blocks_and_groups_are_unions_of_batches_of_like_size(count: int, batch: int) -> None:
    bounds = cut(count, batch)
    of = layout(bounds, [3], workers=1)
    assert [i for own in of.batches for i in own] == list(range(len(bounds)))
    for (start, stop), own in zip(of.blocks, of.batches, strict=True):
        assert (start, stop) == (bounds[own[0]][0], bounds[own[-1]][1])
        assert len(own) == 1 or stop - start <= 256
    assert of.group_count == min(16, len(bounds))
    members = [of.images_of_group(group) for group in range(of.group_count)]
    assert [0, *(own.stop for own in members)] == [*(own.start for own in members), count]
    assert max(own.stop - own.start for own in members) < count / of.group_count + 2 * batch
    assert all(a <= b for a, b in pairwise(of.groups))


WIDE, NARROW, MANY = [6000, 6000, 900], [400, 120, 400, 60], [5] * 24


@pytest.mark.parametrize(
    ("way", "kernel", "features"),
    [
        ("Gram blocks", "linear", WIDE),
        ("Gram blocks", "linear", MANY),
        ("Gram blocks", "rbf", WIDE),
        ("cross-products", "linear", NARROW),
        ("cross-products", "linear", MANY),
    ],
)
@pytest.mark.parametrize("extra", [0, 2_000_000, 8_000_000, 10**9])
def test_the_peak_is_within_the_memory_stated(
    way: str, kernel: str, features: list[int], extra: int
) -> None:
    taps = made(240, features)
    of, read = laid_out(taps, 40)
    least = planned(of, way, kernel, memory=0).peak
    plan = planned(of, way, kernel, memory=least + extra)
    assert plan.peak <= least + extra

    def read_and_check(tap: int, block: int) -> np.ndarray:
        x = read(tap, block)
        x.tobytes()  # As a checksum does: one more copy for a moment.
        return x

    tracemalloc.start()
    run = partial(in_threads, workers=plan.workers)
    exact.estimate(plan.sums(read_and_check, run), estimator="biased")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    stated = plan.peak - PROCESS_BYTES
    assert peak <= stated
    # A bound of many times the need would make memory that is enough look too little.
    assert peak >= stated / 4


@pytest.mark.parametrize("workers", [1, 2])
def test_memory_with_shuffles_is_what_the_plan_states(workers: int) -> None:
    taps = made(480, [30] * 12)
    of, read = laid_out(taps, 240, workers=workers)
    shuffles = Shuffles(300)
    plan = gram_blocks.plan(of, memory=0, shuffles=shuffles)
    tracemalloc.start()
    sums = plan.sums(read, partial(in_threads, workers=plan.workers))
    exact.shuffled(sums, shuffles, estimator="debiased")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    stated = plan.peak - PROCESS_BYTES
    assert stated / 4 <= peak <= stated


@pytest.mark.parametrize("way", ["Gram blocks", "cross-products"])
@pytest.mark.parametrize("extra", [0, 300_000, 10**9])
def test_the_bytes_read_are_those_stated(way: str, extra: int) -> None:
    taps = made(96, [50, 300, 7])
    of, read = laid_out(taps, 8)
    total = 0

    def counted(tap: int, block: int) -> np.ndarray:
        nonlocal total
        x = read(tap, block)
        total += x.nbytes
        return x

    plan = planned(of, way, memory=planned(of, way, memory=0).peak + extra)
    plan.sums(counted, in_turn)
    assert total <= plan.bytes_read
    assert total == pytest.approx(plan.bytes_read, rel=0.35)


def test_more_memory_never_costs_more_and_the_least_memory_is_enough() -> None:
    of = layout(cut(10_000, 256), [2000, 50_000, 400_000], workers=2)
    least = gram_blocks.plan(of, memory=0).peak
    plans = [gram_blocks.plan(of, memory=int(least * times)) for times in (1, 1.2, 1.5, 2, 4, 8)]
    assert all(a.cost >= b.cost for a, b in pairwise(plans))
    assert plans[0].cost > plans[-1].cost
    assert plans[0].peak == least


@pytest.mark.parametrize(
    ("count", "features", "way"),
    [
        (10_000, [2000, 50_000], "Gram blocks"),
        (10_000, [64] * 40, "feature cross-products"),
        (200_000, [2048] * 4, "feature cross-products"),
        (256, [2048] * 4, "Gram blocks"),
    ],
)
def test_the_cheaper_way_is_taken(count: int, features: list[int], way: str) -> None:
    of = layout(cut(count, 256), features, workers=2)
    plan = exact.plan(of, memory=PLENTY)
    assert plan.way.startswith(way)
    assert plan.peak <= PLENTY
    assert exact.plan(of, kernel="rbf", memory=10**12).way.startswith("Gram blocks")


@pytest.mark.parametrize("features", [[2000] * 100, [800_000, 200_000, 1000], [1000] * 1000])
def test_ten_thousand_images_fit_four_gigabytes(features: list[int]) -> None:
    of = layout(cut(10_000, 256), features, workers=2)
    for kernel in ("linear", "rbf"):
        assert exact.plan(of, kernel=kernel, memory=PLENTY).peak <= PLENTY


def test_too_little_memory_is_an_error_with_both_numbers() -> None:
    of = layout(cut(10_000, 256), [800_000] * 3, workers=2)
    with pytest.raises(
        AnalysisError, match=r"needs at least 2\.89 GB of memory, 2\.00 GB are given; .*minibatch"
    ):
        exact.plan(of, memory=2 * 10**9)


def test_unknown_choices_name_the_nearest() -> None:
    with pytest.raises(AnalysisError, match="estimator 'debiassed'; nearest: 'debiased'"):
        exact.check_choice("debiassed", "linear")
    with pytest.raises(AnalysisError, match=r"kernel 'rfb'; nearest: 'rbf'"):
        exact.check_choice("biased", "rfb")


def test_steps_in_threads_give_the_same_numbers() -> None:
    taps = made(90, [30, 5, 60])
    of, read = laid_out(taps, 10)
    for way in ("Gram blocks", "cross-products"):
        both = [planned(of, way).sums(read, run) for run in (in_turn, in_threads)]
        for name in ("diagonal", "rows", "products", "lost"):
            np.testing.assert_array_equal(*(getattr(sums, name) for sums in both))
