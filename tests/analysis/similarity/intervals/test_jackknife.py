"""The jackknife: against formulas written out, coverage where the truth is known, bad batches."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import (
    Groups,
    Jackknifed,
    cell_interval,
    cka_from_hsic,
    jackknifed,
    jackknifed_cka,
    mean_interval,
)
from seelike.analysis.similarity.intervals.jackknife import LEAST_FREEDOM, MOST_GROUPS, concatenate


def parts(seed: int, *, batches: int = 6, taps: int = 4) -> np.ndarray:
    """HSICs of batches of taps that are somewhat alike."""
    rng = np.random.default_rng(seed)
    signed = rng.normal(size=(batches, taps, 50)) + rng.normal(size=(batches, 1, 50))
    return signed @ signed.transpose(0, 2, 1)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 12))
def test_the_interval_of_a_mean_is_students(seed: int, groups: int) -> None:
    values = np.random.default_rng(seed).normal(size=(groups, 3))
    low, high = jackknifed(values).interval
    expected = stats.t.interval(0.95, groups - 1, values.mean(axis=0), stats.sem(values, axis=0))
    np.testing.assert_allclose([low, high], expected, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 9))
def test_every_cell_has_the_interval_of_the_formula_written_out(seed: int, batches: int) -> None:
    hsic = parts(seed, batches=batches)
    without = np.stack([cka_from_hsic(np.delete(hsic, j, axis=0)) for j in range(batches)])
    error = np.sqrt((batches - 1) / batches * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    reach = stats.t.ppf(0.975, batches - 1) * error
    value = cka_from_hsic(hsic)
    low, high = cell_interval(hsic)
    np.testing.assert_allclose(low, np.maximum(value - reach, -1), atol=1e-12)
    np.testing.assert_allclose(high, np.minimum(value + reach, 1), atol=1e-12)
    np.testing.assert_array_equal(np.diag(low), 1)
    one = jackknifed_cka(hsic, lambda cka: cka[0, 1]).estimate
    np.testing.assert_allclose([one.error, one.freedom], [error[0, 1], batches - 1])


def test_a_mean_over_batches_has_the_interval_of_their_mean() -> None:
    values = np.random.default_rng(0).normal(size=(7, 2, 3))
    low, high = mean_interval(values)
    expected = stats.t.interval(0.95, 6, values.mean(axis=0), stats.sem(values, axis=0))
    np.testing.assert_allclose([low, high], expected)


def test_numbers_made_of_numbers_are_those_of_the_means_and_cancel() -> None:
    values = np.random.default_rng(1).exponential(size=(30, 2))
    ratio = jackknifed(values, lambda means: means[:, :1] / means[:, 1:])
    later = jackknifed(values).of(lambda means: means[:, 0] / means[:, 1])
    np.testing.assert_allclose(ratio.value, values[:, 0].mean() / values[:, 1].mean())
    np.testing.assert_allclose(ratio.without, later.without)
    nothing = (ratio - later).estimate
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


def test_many_images_are_left_out_in_groups_of_neighbours() -> None:
    values = np.random.default_rng(2).normal(size=(1000, 1))
    found = jackknifed(values)
    assert found.groups is not None
    assert len(found.groups.weight) == MOST_GROUPS
    assert set(found.groups.images) == {15, 16}
    np.testing.assert_allclose(found.value, values.mean(axis=0))
    np.testing.assert_allclose(found.spread[0], stats.sem(values, axis=0), rtol=0.3)


def test_the_error_of_a_mean_of_unequal_groups_is_that_of_its_images() -> None:
    # Means of groups of unlike size whose variance is inverse to it: unbiased for any sizes.
    sizes = np.array([4, 30, 7, 100, 59])
    drawn = np.random.default_rng(3).normal(size=(4000, len(sizes))) / np.sqrt(sizes)
    errors = [jackknifed(each[:, None], images=sizes).estimate.error ** 2 for each in drawn]
    assert np.mean(errors) == pytest.approx(1 / sizes.sum(), rel=0.05)


@pytest.mark.parametrize("batches", [2, 4, 8])
def test_nominal_intervals_of_a_ratio_of_sums_cover_the_truth(batches: int) -> None:
    # A correlation coefficient from batches, as CKA is one; the truth is known.
    rng, repeats, truth = np.random.default_rng(batches), 1500, 0.6
    x = rng.normal(size=(repeats, batches, 40))
    y = truth * x + np.sqrt(1 - truth**2) * rng.normal(size=x.shape)
    sums = np.stack([(x * y).sum(axis=2), (x * x).sum(axis=2), (y * y).sum(axis=2)], axis=-1)
    covered = 0
    for each in sums:
        found = jackknifed(each, lambda m: m[:, :1] / np.sqrt(m[:, 1:2] * m[:, 2:])).estimate
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / repeats <= 0.975


def test_one_batch_or_one_that_is_nearly_all_leaves_no_interval() -> None:
    assert jackknifed(np.ones((1, 3))).interval is None
    assert cell_interval(parts(0, batches=1)) is None
    assert cell_interval(parts(0, batches=2), images=[256, 4]) is None
    assert cell_interval(parts(0, batches=2), images=[256, 250]) is not None
    assert jackknifed_cka(parts(0, batches=2), lambda m: m[0, 1], images=[9, 1]).groups is None
    assert Groups.alike([256, 4]).freedom(0) < LEAST_FREEDOM


def test_a_short_batch_costs_degrees_of_freedom() -> None:
    assert Groups.alike([256] * 8).freedom(0) == pytest.approx(7)
    # Each batch counts the same, so that the short one's larger variance decides.
    assert Groups.alike([256] * 7 + [64]).freedom(0) == pytest.approx((7 + 4) ** 2 / (7 + 16) - 1)
    assert Groups.by_size([256] * 7 + [4]).freedom(0) == pytest.approx(6.03, abs=0.01)


def test_a_tap_that_varies_in_one_batch_alone_has_no_narrow_interval() -> None:
    hsic = parts(4)
    hsic[1:, 0] = hsic[1:, :, 0] = 0
    low, high = cell_interval(hsic)
    np.testing.assert_array_equal(low[0, 1:], -1)
    np.testing.assert_array_equal(high[0, 1:], 1)
    assert jackknifed_cka(hsic, lambda cka: cka[0, 1]).interval is None


def test_variances_over_images_and_draws_add() -> None:
    groups = Groups(
        np.array([0.5, 0.5, 1 / 3, 1 / 3, 1 / 3]),
        np.array([10, 10, 1, 1, 1]),
        np.array([0, 0, 1, 1, 1]),
    )
    left = np.array([[1.0], [3.0], [0.0], [0.0], [3.0]])
    found = Jackknifed(np.array([2.0]), left, groups)
    by_images, by_draws = 0.5 * 2, 2 / 3 * 6
    error, freedom = (float(each[0]) for each in found.spread)
    assert error**2 == pytest.approx(by_images + by_draws)
    assert freedom == pytest.approx((by_images + by_draws) ** 2 / (by_images**2 + by_draws**2 / 2))


def test_numbers_come_out_of_a_dataset_as_they_went_in() -> None:
    found = jackknifed(np.random.default_rng(5).normal(size=(9, 4)))
    dataset = xr.Dataset()
    found.enter(dataset, "share", "layer")
    back = Jackknifed.from_dataset(dataset, "share")
    np.testing.assert_array_equal(back.value, found.value)
    np.testing.assert_array_equal(back.without, found.without)
    assert back.groups.same(found.groups)
    np.testing.assert_array_equal(dataset["share_low"], found.interval[0])
    with pytest.raises(AnalysisError, match="share leaves out other groups"):
        jackknifed(np.ones((5, 4))).enter(dataset, "share", "layer")
    alone = xr.Dataset()
    jackknifed(np.ones((1, 4))).enter(alone, "share", "layer")
    assert list(alone) == ["share"] and Jackknifed.from_dataset(alone, "share").groups is None


def test_numbers_of_other_images_are_not_subtracted() -> None:
    first, second = (jackknifed(np.ones((n, 1))) for n in (8, 9))
    with pytest.raises(AnalysisError, match="8 and 9 groups"):
        first - second
    with pytest.raises(AnalysisError, match="other groups"):
        concatenate([first, second])
