"""What figures read from a comparison: its models, their twins, and one pair's block of cells."""

import difflib

import numpy as np
import xarray as xr

from analysis.errors import AnalysisError


def models(comparison: xr.Dataset) -> list[str]:
    """The models of ``comparison``, in the study's order."""
    return list(dict.fromkeys(str(m) for m in comparison["model_a"].values))


def pair(comparison: xr.Dataset, model_a: str, model_b: str) -> xr.Dataset:
    """The cells of ``model_a``'s taps (rows) with ``model_b``'s (columns).

    Raises ``AnalysisError`` for a model that is not there and for cells that are not finite.
    """
    require(comparison, model_a, model_b)
    rows = np.flatnonzero(comparison["model_a"].values == model_a)
    columns = np.flatnonzero(comparison["model_b"].values == model_b)
    cells = comparison.isel(tap_a=rows, tap_b=columns)
    broken = np.argwhere(~np.isfinite(cells["cka"].values))
    if len(broken):
        row, column = broken[0]
        raise AnalysisError(
            f"CKA of {model_a}'s {cells['tap_a'].values[row]} with {model_b}'s "
            f"{cells['tap_b'].values[column]} is {cells['cka'].values[row, column]}, expected a "
            f"finite number ({len(broken)} such cells); compute the comparison again"
        )
    return cells


def require(comparison: xr.Dataset, *wanted: str) -> None:
    """Raise ``AnalysisError`` unless ``comparison`` holds every model of ``wanted``."""
    known = models(comparison)
    if not wanted:
        raise AnalysisError(f"no model named; the comparison holds {', '.join(known)}")
    for model in wanted:
        if model not in known:
            near = difflib.get_close_matches(model, known, n=3, cutoff=0.4) or known
            raise AnalysisError(
                f"model '{model}' is not in the comparison; nearest: {', '.join(near)}"
            )


def trained(comparison: xr.Dataset, model: str) -> bool:
    """Whether ``model`` was trained; a comparison that says nothing holds trained models."""
    return "trained_a" not in comparison or bool(_first(comparison, "trained_a", model))


def baseline_of(comparison: xr.Dataset, model: str) -> str:
    """The trained model whose untrained twin ``model`` is, '' where it is none's."""
    if "baseline_of_a" not in comparison:
        return ""
    return str(_first(comparison, "baseline_of_a", model))


def twin(comparison: xr.Dataset, model: str) -> str | None:
    """The untrained twin of ``model``, None where the study has none."""
    twins = (m for m in models(comparison) if baseline_of(comparison, m) == model)
    return next(twins, None)


def label(comparison: xr.Dataset, model: str) -> str:
    """``model``'s name for a reader, who must see that a network is untrained."""
    if trained(comparison, model) or "untrained" in model:
        return model
    return f"{model} (untrained)"


def _first(comparison: xr.Dataset, coordinate: str, model: str) -> object:
    place = int(np.flatnonzero(comparison["model_a"].values == model)[0])
    return comparison[coordinate].values[place]
