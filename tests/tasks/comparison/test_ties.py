"""Sentences that name the largest of several name all that are as large."""

import numpy as np
import xarray as xr

from seelike.analysis.claims.results import ModelResult
from seelike.analysis.probing import FULL
from seelike.analysis.probing.features import MEAN
from seelike.analysis.similarity.intervals.jackknife import jackknifed
from seelike.tasks.reports.anatomy.ablation import words
from seelike.tasks.reports.comparison.across import match_depths
from seelike.tasks.reports.probing.by_depth import best_words


def test_probes_that_are_equally_accurate_are_all_named() -> None:
    taps = ["a", "b", "c", "d"]
    dataset = xr.Dataset(
        {"accuracy": ("probe", [0.5, 0.75, 0.75, 0.6])},
        coords={
            "tap": ("probe", taps),
            "feature": ("probe", [MEAN] * 4),
            "shots": ("probe", [FULL] * 4),
        },
    )
    said = best_words(ModelResult("ViT", "vit", dataset, None))
    assert "are best at b and c with 0.75" in said
    other = dataset.assign(accuracy=("probe", [0.5, 0.75, 0.7, 0.6]))
    assert "are best at b with" in best_words(ModelResult("ViT", "vit", other, None))


def test_blocks_that_matter_equally_are_all_named_in_any_order_of_images() -> None:
    rng = np.random.default_rng(0)
    sizes = [7] * 6
    once = rng.random(42) < 0.3
    stay = np.stack([np.ones(42, bool), once, rng.permutation(once), np.ones(42, bool)])
    dataset = xr.Dataset(coords={"block": ("network", ["intact", "x", "y", "z"])})
    means = np.stack([batch.mean(axis=1) for batch in np.split(stay.astype(float), 6, axis=1)])
    jackknifed(means, images=sizes).enter(dataset, "agreement", "network")
    assert "without the skips of x or y" in words(ModelResult("m", "vit", dataset, None))


def test_taps_of_one_tensor_match_at_their_mean_depth_whatever_rounding_says() -> None:
    cka = np.array([[0.5, 0.9, 0.9, 0.1], [0.8, 0.3, 0.3, 0.2]])
    depth = np.array([0.0, 0.4, 0.6, 1.0])
    for noise in (0.0, 1e-8, -1e-8):
        found = match_depths(cka + noise * np.array([0, 1, -1, 0]), depth)
        np.testing.assert_allclose(found, [0.5, 0.0])
