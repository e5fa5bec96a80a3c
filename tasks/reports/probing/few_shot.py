"""Figure of few-shot probes: accuracy against training images per class."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.experiments.probes import (
    FEATURES,
    THIRDS,
    chance,
    mean,
    rows_of,
    shots_of,
)
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.probing.features import MEAN
from seelike.storage.arrays.xarray_datasets import PROBES
from seelike.storage.reports.write import Figure
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import curves
from seelike.tasks.reports.elements.wording import capitalize


def by_shots(each: Sequence[ModelResult], *, alt: str) -> Iterator[Figure]:
    """Accuracy against the number of shots: a panel per third of the layers, a curve per model."""
    few = [k for k in shots_of(each[0].own) if k]
    if len(few) < 2:
        return
    panels = [
        draw.Panel(
            capitalize(third),
            "mean accuracy",
            [curve for one in each for curve in _shot_curves(one, few, third)],
            level=chance(each[0].own),
        )
        for third in THIRDS
    ]
    yield render_figure(
        "probes-by-shots",
        draw.panels(panels, along="training images per class", level="chance"),
        alt=alt,
        caption=f"Few-shot accuracy, {FEATURES[MEAN]}, mean over the layers of each third. Bands "
        "are 95 % intervals over test images and draws.",
        data=PROBES,
    )


def _shot_curves(one: ModelResult, few: Sequence[int], third: str) -> Iterator[draw.Curve]:
    means = [
        None if dataset is None else _thirds(dataset, few, third)
        for dataset in (one.own, one.untrained)
    ]
    assert means[0] is not None
    yield from curves(
        ModelResult(one.model, one.family, means[0], means[1]),
        "accuracy",
        one.model,
        at="shots",
        where=lambda dataset: np.ones(dataset.sizes["probe"], bool),
    )


def _thirds(dataset: xr.Dataset, few: Sequence[int], third: str) -> xr.Dataset:
    """Mean accuracy of a third's layers over ``shots``."""
    found = [
        mean(dataset, rows_of(dataset, feature=MEAN, shots=k, third=third)).estimates[0]
        for k in few
    ]
    return xr.Dataset(
        {
            "accuracy": ("probe", np.array([one.value for one in found])),
            "accuracy_low": ("probe", np.array([one.low for one in found], float)),
            "accuracy_high": ("probe", np.array([one.high for one in found], float)),
        },
        {"shots": ("probe", list(few))},
    )
