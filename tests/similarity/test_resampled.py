"""Numbers of a mean over images, and their intervals."""

import numpy as np

from analysis.similarity import mean_interval, resampled
from analysis.similarity.intervals import resamples


def test_the_interval_of_a_mean_is_that_of_the_comparison() -> None:
    values = np.random.default_rng(0).normal(size=(20, 7))
    found = resampled(values)
    np.testing.assert_allclose(found.value, values.mean(axis=0))
    expected = mean_interval(values[:, :, None])
    assert expected is not None and found.interval is not None
    for own, other in zip(found.interval, expected, strict=True):
        np.testing.assert_allclose(own, other[:, 0])


def test_numbers_made_of_means_are_made_anew_in_every_resample() -> None:
    values = np.random.default_rng(1).exponential(size=(30, 2))
    ratio = resampled(values, lambda means: means[:, :1] / means[:, 1:])
    later = resampled(values).of(lambda means: means[:, 0] / means[:, 1])
    np.testing.assert_allclose(ratio.value, values[:, 0].mean() / values[:, 1].mean())
    assert ratio.drawn is not None and later.drawn is not None
    np.testing.assert_allclose(ratio.drawn, later.drawn)
    # Over the same resamples, so that a number less itself is nothing at all.
    (nothing,) = (ratio - later).estimates
    np.testing.assert_allclose([nothing.value, nothing.low, nothing.high], 0, atol=1e-12)
    assert nothing.low is not None


def test_one_image_leaves_no_interval() -> None:
    found = resampled(np.ones((1, 3)))
    assert found.interval is None
    assert [one.low for one in (found - found).estimates] == [None] * 3


def test_a_resample_draws_as_many_images_as_there_are() -> None:
    weights = resamples(5, repeats=200, seed=0)
    drawn = np.random.default_rng(0).integers(0, 5, (200, 5))
    np.testing.assert_array_equal(weights.sum(axis=1), 5)
    for row, images in zip(weights, drawn, strict=True):
        assert row.tolist() == [images.tolist().count(image) for image in range(5)]
