"""Which probes of a model's dataset a number is made of: by feature, shots, and place in depth."""

from typing import Any

import numpy as np
import xarray as xr

from analysis.probing import FULL
from analysis.probing.features import CLS, MEAN, TOKEN
from analysis.similarity import Resampled
from tasks.looked import numbers

FEATURES = {CLS: "class token", MEAN: "mean of spatial tokens", TOKEN: "single tokens"}
THIRDS = ("lowest third", "middle third", "highest third")


def rows_of(
    dataset: xr.Dataset, *, feature: str, shots: int, third: str | None = None
) -> np.ndarray:
    """Probes of ``feature`` that learn from ``shots``, in firing order; those of one third."""
    rows: np.ndarray = (dataset["feature"].values == feature) & (dataset["shots"].values == shots)
    if third is None:
        return rows
    places = np.array_split(np.flatnonzero(rows), 3)[THIRDS.index(third)]
    chosen = np.zeros(len(rows), bool)
    chosen[places] = True
    return chosen


def last_tokens(dataset: xr.Dataset, feature: str = TOKEN) -> np.ndarray:
    """Probes of ``feature`` at the last tap whose single tokens were probed, of as many shots."""
    tokens = np.flatnonzero(dataset["feature"].values == TOKEN)
    if not len(tokens):
        return np.zeros(dataset.sizes["probe"], bool)
    tap, shots = dataset["tap"].values[tokens[-1]], int(dataset["shots"].values[tokens[-1]])
    rows = rows_of(dataset, feature=feature, shots=shots)
    return np.asarray(rows & (dataset["tap"].values == tap))


def mean(dataset: xr.Dataset, rows: np.ndarray) -> Resampled:
    """The mean accuracy of some probes."""
    return numbers(dataset, "accuracy").of(lambda each: each[:, rows].mean(axis=1))


def shots_of(dataset: xr.Dataset) -> list[int]:
    """The numbers of shots there are, the fewest first, the full probe last."""
    return sorted(set(dataset["shots"].values.tolist()), key=lambda k: (k == FULL, k))


def most(dataset: xr.Dataset) -> int:
    """The probes that claims are about: with most shots, or the full ones where there are none."""
    few = [k for k in shots_of(dataset) if k != FULL]
    return few[-1] if few else FULL


def called(shots: int) -> str:
    """``10-shot``, or ``full``."""
    return "full" if shots == FULL else f"{shots}-shot"


def chance(dataset: xr.Dataset) -> float:
    """The share of the test images' most frequent class."""
    attributes: dict[str, Any] = dataset.attrs
    return float(attributes["chance"])
