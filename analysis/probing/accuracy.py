"""Accuracies of probes, with intervals over test images and draws of training images."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.intervals.groups import Groups
from seelike.analysis.similarity.intervals.jackknife import MOST_GROUPS, Jackknifed

# Factors of the jackknife: groups of test images, and draws of training images.
IMAGES, DRAWS = 0, 1


def accuracies(hits: Sequence[npt.NDArray[np.float32]]) -> Jackknifed:
    """Compute accuracies of probes, also without each group of test images and without each draw.

    Test images, in at most 64 groups, and draws are left out separately, and their variances add
    (two-way; Owen 2007): an interval covers other test images and other few-shot training images.
    Variation in both at once counts twice, so that intervals are rather too wide than too narrow. A
    probe of a single draw has no variance over draws: its interval is for its training images.

    Args:
        hits: Per probe, k of them, an array (draws, test images): 1 where it is right, 1 / c where
            c classes share the highest score.

    Returns:
        ``Jackknifed`` of k accuracies, 0 to 1.
    """
    images = hits[0].shape[1]
    # Plain sums until the end: equal in any order of addition.
    each = [one.astype(np.float64) for one in hits]
    value = np.array([one.mean() for one in each])
    if images < 2:
        return Jackknifed(value)
    runs = np.array_split(np.arange(images), min(images, MOST_GROUPS))
    sizes = np.array([len(own) for own in runs], np.float64)
    by_run = np.stack([[one[:, own].sum() for one in each] for own in runs])
    draws = np.array([len(one) for one in each], np.float64)
    total = by_run.sum(axis=0)
    without = [(total - by_run) / (draws * (images - sizes[:, None]))]
    factors = [np.full(len(runs), IMAGES)]
    most = int(draws.max())
    if most > 1:
        without.append(np.stack([_without_draw(each, draw, value) for draw in range(most)]))
        factors.append(np.full(most, DRAWS))
    groups = Groups(
        weight=np.concatenate([sizes / images, np.full(most if most > 1 else 0, 1 / most)]),
        images=np.concatenate([sizes, np.ones(most if most > 1 else 0)]),
        factor=np.concatenate(factors).astype(np.intp),
    )
    return Jackknifed(value, np.concatenate(without), groups)


def _without_draw(
    each: Sequence[npt.NDArray[np.float64]], draw: int, value: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """All accuracies without one draw; those of a single draw stay as they are."""
    return np.array(
        [
            np.delete(one, draw, axis=0).mean() if len(one) > 1 else whole
            for one, whole in zip(each, value, strict=True)
        ]
    )
