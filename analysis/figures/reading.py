"""Models, measures, baselines and blocks of cells of a comparison, as figures read them."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from seelike.analysis.errors import AnalysisError, suggest

# What a comparison may hold of a measure beside its value, as ``{measure}_{part}``.
PARTS = ("low", "high", "p", "q", "critical", "calibrated")
# Above all rounding, below what tells one direction of a measure from the other.
_SAME = 1e-4


def models(comparison: xr.Dataset) -> list[str]:
    """The models of ``comparison``, in the study's order."""
    return list(dict.fromkeys(str(m) for m in comparison["model_a"].values))


def pair(comparison: xr.Dataset, model_a: str, model_b: str, *, measure: str = "cka") -> xr.Dataset:
    """Select the cells of ``model_a``'s taps (rows) with ``model_b``'s (columns).

    Raises ``AnalysisError`` for a model or ``measure`` that is not there and for cells of
    ``measure`` that are not finite although it is defined there.
    """
    cells = block(comparison, model_a, model_b)
    require_measure(comparison, measure)
    check_finite(cells, measure)
    return cells


def block(comparison: xr.Dataset, model_a: str, model_b: str) -> xr.Dataset:
    """The cells as in ``pair``, before any number is read."""
    require(comparison, model_a, model_b)
    rows = np.flatnonzero(comparison["model_a"].values == model_a)
    columns = np.flatnonzero(comparison["model_b"].values == model_b)
    return comparison.isel(tap_a=rows, tap_b=columns)


def blocks(comparison: xr.Dataset, rows: Sequence[str], columns: Sequence[str]) -> xr.Dataset:
    """The cells of all layers of models ``rows`` with those of ``columns``, in these orders.

    Raises ``AnalysisError`` for a model that is not there.
    """
    require(comparison, *rows, *columns)
    places = {
        f"tap_{side}": np.concatenate(
            [np.flatnonzero(comparison[f"model_{side}"].values == model) for model in models]
        )
        for side, models in (("a", rows), ("b", columns))
    }
    return comparison.isel(places).transpose(..., "tap_a", "tap_b")


def check_finite(cells: xr.Dataset, measure: str) -> None:
    """Raise ``AnalysisError`` naming the first cell of ``measure`` that is not finite.

    Cells of taps on which the comparison says that ``measure`` is not defined are to be NaN.
    """
    values = cells[measure].transpose("tap_a", "tap_b").values
    rows, columns = (undefined(cells, measure, side) for side in "ab")
    broken = np.argwhere(~np.isfinite(values) & ~(rows[:, None] | columns))
    if len(broken):
        row, column = broken[0]
        one, other = (
            f"{cells[f'model_{side}'].values[at]}'s {cells[f'tap_{side}'].values[at]}"
            for side, at in (("a", row), ("b", column))
        )
        raise AnalysisError(
            f"{title(cells, measure)} of {one} with {other} is {values[row, column]}, expected a "
            f"finite number ({len(broken)} such cells); compute the comparison again"
        )


def undefined(cells: xr.Dataset, measure: str, side: str) -> np.ndarray:
    """Whether ``measure`` is not defined at the taps of one ``side``, 'a' or 'b': (taps,) bool."""
    known = cells.attrs.get("undefined", {}).get(measure, {})
    names = zip(cells[f"model_{side}"].values, cells[f"tap_{side}"].values, strict=True)
    return np.array([f"{model}: {tap}" in known for model, tap in names], bool)


def defined(cells: xr.Dataset, measure: str) -> xr.Dataset:
    """Remove the taps at which ``measure`` is not defined from ``cells``.

    Raises ``AnalysisError`` where one side has no other.
    """
    left = {f"tap_{side}": np.flatnonzero(~undefined(cells, measure, side)) for side in "ab"}
    for side, places in left.items():
        if not len(places):
            model = cells[side.replace("tap", "model")].values[0]
            raise AnalysisError(
                f"{title(cells, measure)} is not defined at any layer of '{model}': take another "
                "measure; the attribute undefined of the comparison has the reasons"
            )
    return cells.isel(left)


def matches_q(cells: xr.Dataset, measure: str) -> np.ndarray | None:
    """Read the adjusted p values, q, of the best matches in a ``pair``'s ``cells``.

    Returns:
        (taps of a,) float64; None if they are untested or the cells are a model's with itself,
        where a layer's most similar one is itself and no match.

    Raises:
        AnalysisError: The test left the model out.
    """
    tested = f"{measure}_best_q"
    model = str(cells["model_b"].values[0])
    if tested not in cells or model == str(cells["model_a"].values[0]):
        return None
    place = np.flatnonzero(cells["other_model"].values == model)
    q = cells[tested].transpose("tap_a", "other_model").values[:, place]
    if q.shape[1] != 1 or not np.isfinite(q).all():
        raise AnalysisError(
            f"{tested} has no finite value for every match in '{model}'; compute the comparison "
            "again"
        )
    found: np.ndarray = q[:, 0]
    return found


def measures(comparison: xr.Dataset) -> list[str]:
    """The measures of ``comparison``: what is neither a part of one nor per batch or model.

    In the order of the attribute ``measures``, then by name: Zarr keeps no order of variables.
    """
    cells = [str(n) for n, v in comparison.data_vars.items() if set(v.dims) == {"tap_a", "tap_b"}]
    parts = {f"{name}_{part}" for name in cells for part in PARTS}
    titled = list(comparison.attrs.get("measures", {}))
    order = {name: place for place, name in enumerate([*titled, *sorted(set(cells) - set(titled))])}
    return sorted((name for name in cells if name not in parts), key=order.__getitem__)


def title(comparison: xr.Dataset, measure: str) -> str:
    """Name of ``measure`` on axes and colour bars: its title in the comparison, or its name."""
    known = comparison.attrs.get("measures", {}).get(measure, {})
    return str(known.get("title") or ("CKA" if measure == "cka" else measure))


def symmetric(comparison: xr.Dataset, measure: str) -> bool:
    """Whether ``measure`` is the same both ways, as far as ``comparison`` can tell."""
    for name in ("model", "tap"):
        if not np.array_equal(comparison[f"{name}_a"].values, comparison[f"{name}_b"].values):
            return True
    values = comparison[measure].transpose("tap_a", "tap_b").values
    return bool(np.allclose(values, values.T, rtol=0, atol=_SAME, equal_nan=True))


def require_measure(comparison: xr.Dataset, measure: str) -> None:
    """Raise ``AnalysisError`` unless ``comparison`` holds ``measure``."""
    known = measures(comparison)
    if measure not in known:
        raise AnalysisError(
            f"measure {measure!r} is not in the comparison; {suggest(measure, known)}"
        )


def require(comparison: xr.Dataset, *wanted: str) -> None:
    """Raise ``AnalysisError`` unless ``comparison`` holds every model of ``wanted``."""
    known = models(comparison)
    if not wanted:
        raise AnalysisError(f"no model named; the comparison holds {', '.join(known)}")
    for model in wanted:
        if model not in known:
            raise AnalysisError(
                f"model {model!r} is not in the comparison; {suggest(model, known)}"
            )


def trained(comparison: xr.Dataset, model: str) -> bool:
    """Whether ``model`` was trained; a comparison that says nothing holds trained models."""
    return "trained_a" not in comparison or bool(_first(comparison, "trained_a", model))


def baseline_of(comparison: xr.Dataset, model: str) -> str:
    """The model whose untrained baseline ``model`` is, '' for other models."""
    if "baseline_of_a" not in comparison:
        return ""
    return str(_first(comparison, "baseline_of_a", model))


def baseline(comparison: xr.Dataset, model: str) -> str | None:
    """The untrained baseline of ``model``, None without one."""
    baselines = (m for m in models(comparison) if baseline_of(comparison, m) == model)
    return next(baselines, None)


def label(comparison: xr.Dataset, model: str) -> str:
    """Name ``model`` for a reader, who must see that a network is untrained."""
    if trained(comparison, model) or "untrained" in model:
        return model
    return f"{model} (untrained)"


def _first(comparison: xr.Dataset, coordinate: str, model: str) -> object:
    place = int(np.flatnonzero(comparison["model_a"].values == model)[0])
    return comparison[coordinate].values[place]
