"""Taps on which a measure is not defined: left out of that measure alone, with the reason.

Their cells are NaN in the measure's variables, and the attribute ``undefined`` of the comparison
has, by measure, the taps and the reasons.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.measures import PairMeasure

# Reasons that a report lists in full.
REASONS = 3
# Axes of taps, and of models.
TAPS, MODELS = ("tap_a", "tap_b"), ("own_model", "other_model")


def places_left(names: Sequence[str], undefined: Mapping[int, str], *, title: str) -> np.ndarray:
    """Find the places of the taps that are not ``undefined``, in order.

    Args:
        names: Model and tap of every place.
        undefined: The reason by place of each tap on which the measure is not defined.
        title: The measure's.

    Returns:
        Places, (defined taps,) int.

    Raises:
        AnalysisError: There is none, with the reason at the first tap, which has the remedy.
    """
    left = np.array([place for place in range(len(names)) if place not in undefined], np.intp)
    if not len(left):
        raise AnalysisError(
            f"{title} is not defined at any of {len(names)} taps; {names[0]}: {undefined[0]}"
        )
    return left


def undefined_signatures(
    norms: np.ndarray, linear: np.ndarray, *, measure: PairMeasure
) -> dict[int, str]:
    """Find the taps that have no signature for ``measure`` in at least one batch.

    Their signature has length zero there. A constant tap has one, too: where batches weigh by
    their lengths, it counts by its other batches, as for CKA, and is no case of these.

    Args:
        norms: Lengths of the signatures for ``measure``, (batches, T).
        linear: Lengths of the signatures for CKA, (batches, T), zero where a tap is constant.
        measure: The measure.

    Returns:
        By place of each such tap the reason, with the first of these batches.
    """
    unsigned = norms == 0
    if measure.weighted:
        unsigned &= linear > 0
    return {
        int(place): f"batch {int(np.argmax(unsigned[:, place]))}: {measure.undefined}"
        for place in np.flatnonzero(unsigned.any(axis=0))
    }


def spread_over_all_taps(
    variables: Mapping[str, tuple[Any, np.ndarray]], *, left: np.ndarray, models: Sequence[str]
) -> dict[str, tuple[Any, np.ndarray]]:
    """Spread variables of the taps at places ``left`` over all taps, NaN at those left out.

    Args:
        variables: Dimensions and values by name, of the taps that are ``left``.
        left: Places of these taps among all, (L,).
        models: The model of every tap, (T,).

    Returns:
        The same with T taps, and all models, along their dimensions.
    """
    every = list(dict.fromkeys(models))
    there = list(dict.fromkeys(models[place] for place in left))
    sizes = dict.fromkeys(TAPS, (len(models), left)) | dict.fromkeys(
        MODELS, (len(every), np.array([every.index(name) for name in there]))
    )
    found = {}
    for name, (dims, values) in variables.items():
        axes = (dims,) if isinstance(dims, str) else dims
        shape = [sizes[d][0] if d in sizes else n for d, n in zip(axes, values.shape, strict=True)]
        whole = np.full(shape, np.nan, values.dtype)
        places = [
            sizes[d][1] if d in sizes else np.arange(n)
            for d, n in zip(axes, values.shape, strict=True)
        ]
        whole[np.ix_(*places)] = values
        found[name] = (dims, whole)
    return found


def defined(values: xr.DataArray) -> np.ndarray:
    """Return the numbers of the cells in which a measure is defined, (cells,)."""
    flat = values.values.ravel()
    return np.asarray(flat[~np.isnan(flat)])


def reasons(dataset: xr.Dataset, name: str) -> dict[str, str]:
    """Return the taps of all models on which the measure ``name`` is not defined, and why."""
    found: dict[str, str] = dataset.attrs.get("undefined", {}).get(name, {})
    return found


def defined_layers(dataset: xr.Dataset, name: str, models: Sequence[str]) -> int:
    """Count the layers of ``models`` on which the measure ``name`` is defined."""
    known = reasons(dataset, name)
    taps = zip(dataset["model_a"].values, dataset["tap_a"].values, strict=True)
    return sum(model in models and f"{model}: {tap}" not in known for model, tap in taps)


def undefined_words(dataset: xr.Dataset, name: str, models: Sequence[str]) -> Iterator[str]:
    """Say which layers of ``models`` the measure ``name`` leaves out, how many cells, and why."""
    chosen = {
        tap: why
        for tap, why in reasons(dataset, name).items()
        if any(tap.startswith(f"{model}: ") for model in models)
    }
    if not chosen:
        return
    title = dataset.attrs["measures"][name]["title"]
    of_models = dataset[name].isel(
        tap_a=np.flatnonzero(np.isin(dataset["model_a"].values, models)),
        tap_b=np.flatnonzero(np.isin(dataset["model_b"].values, models)),
    )
    cells = int(np.isnan(of_models.values).sum())
    layers = "1 layer" if len(chosen) == 1 else f"{len(chosen)} layers"
    yield (
        f"{title} is not defined at {layers}: {cells} of {of_models.size} cells are left out, of "
        "its figures, tables and tests alike."
    )
    by_reason: dict[str, list[str]] = {}
    for tap, why in chosen.items():
        by_reason.setdefault(why, []).append(tap)
    for why, taps in list(by_reason.items())[:REASONS]:
        yield f"{', '.join(taps)}: {why}."
    further = sum(len(taps) for taps in list(by_reason.values())[REASONS:])
    if further:
        yield (
            f"{further} further layers are left out for reasons of this kind; the attribute "
            "undefined of the comparison lists them."
        )
