"""Accuracies of probes with intervals over test images and draws, alike for all of a study."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from analysis.similarity.intervals import REPEATS, SEED, resamples
from analysis.similarity.resampled import Resampled


def accuracies(hits: Sequence[npt.NDArray[np.float32]]) -> Resampled:
    """Shares of right answers (k,) of ``hits``, each (draws, test images), and their resamples.

    Test images and draws are resampled at once, each with replacement: a few-shot probe's
    interval tells what other test images and other training images would change. Resamples are
    the same for probes of as many draws on as many images, so that they may be subtracted.
    """
    images = hits[0].shape[1]
    # Counts, not shares of them, until the end: their sums are whole, hence the same in whatever
    # order they are added up; and in float64, for hits that several classes share (1 / k).
    times = resamples(images, repeats=REPEATS, seed=SEED)
    drawn = np.empty((REPEATS, len(hits)))
    for draws in {len(each) for each in hits}:
        own = [at for at, each in enumerate(hits) if len(each) == draws]
        right = times @ np.stack([hits[at] for at in own], dtype=np.float64).reshape(-1, images).T
        chosen = resamples(draws, repeats=REPEATS, seed=SEED + 1)
        sums = np.einsum("rkd,rd->rk", right.reshape(REPEATS, -1, draws), chosen)
        drawn[:, own] = sums / (images * draws)
    value = np.array([each.mean(dtype=np.float64) for each in hits])
    return Resampled(value, drawn)
