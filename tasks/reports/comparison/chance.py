"""Section on chance: similarity beyond that of shuffled images."""

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np
import xarray as xr

from seelike.analysis.similarity.significance.permutation_tests import LEVEL
from seelike.storage.reports.write import Cell, Section, Table
from seelike.tasks.comparison.undefined import defined
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.methods.comparison import chance_method

ABOVE = "pairs of layers above chance"
MATCHES = "best matches above chance"


def section(view: ComparisonView) -> Section | None:
    """Build the section for a comparison with permutations and two models or more."""
    models = view.shown.models
    if "cka_p" not in view.dataset or len(models) < 2:
        return None
    return chance(view.dataset, models, view.measures)


def chance(dataset: xr.Dataset, models: Sequence[str], measures: Sequence[str]) -> Section:
    """Section on the similarity of ``models`` beyond chance, across models and within.

    By CKA for every two models and every model, by the other ``measures`` for all together.
    """
    others = [name for name in measures if name != "cka" and f"{name}_p" in dataset]
    return Section(
        "Beyond chance",
        paragraphs=tuple(_words(dataset, measures)),
        tables=(
            Table(
                (
                    "layers of",
                    "with those of",
                    ABOVE,
                    MATCHES,
                    "largest CKA",
                    "p of the largest, corrected",
                    "mean calibrated CKA",
                ),
                tuple(_across(dataset, a, b) for a, b in permutations(models, 2)),
                caption="Across models; each pair of models is a family of tests. Corrected: for "
                f"all {_model_pairs(dataset)} pairs of models. Calibrated CKA is 0 at the 95 % "
                "point of the shuffles and 1 for CKA 1.",
            ),
            Table(
                ("layers of", ABOVE, MATCHES, "mean CKA", "mean calibrated CKA"),
                tuple(_within(dataset, model) for model in models),
                caption="Within a model; each model is a family of tests: pairs of different "
                "layers, and each layer's best match among the model's other layers.",
            ),
            *([_by_measure(dataset, models, others)] if others else []),
        ),
        method=chance_method(dataset),
    )


def _words(dataset: xr.Dataset, measures: Sequence[str]) -> Iterator[str]:
    yield (
        f"The images of one model were shuffled within their batches "
        f"{dataset.attrs['permutations']} times. Pairs of layers within a model are tested "
        "separately from pairs across models. Within each model, and across each pair of models, "
        f"the false-discovery rate is {LEVEL:.0%}: so many of the pairs that are above chance are "
        "false on average (Benjamini and Hochberg)."
    )
    yield (
        "A pair across two models counts as above chance only if the two models do: their "
        "largest CKA is tested against the largest across any two models of this comparison under "
        "the same shuffles (Westfall and Young). In a comparison of unrelated models, any pair "
        f"across models counts as above chance with a probability of at most {LEVEL:.0%}. Best "
        "matches are tested against the best matches under the same shuffles, by both rules."
    )
    about = dataset.attrs["measures"]
    untested = [about[name]["title"] for name in measures if f"{name}_p" not in dataset]
    if untested:
        yield f"Not tested, because the study sets no permutations for them: {', '.join(untested)}."


def _model_pairs(dataset: xr.Dataset) -> int:
    """Count the pairs of different models."""
    count = dataset.sizes["other_model"]
    return count * (count - 1) // 2


def _across(dataset: xr.Dataset, a: str, b: str) -> tuple[Cell, ...]:
    """The numbers of ``a``'s layers with those of ``b``."""
    cells = _cells(dataset, a, b)
    return (
        a,
        b,
        _share(cells["cka_q"].values),
        _share(cells["cka_best_q"].sel(other_model=b).values),
        float(cells["cka"].max()),
        float(dataset["cka_block_p_corrected"].sel(own_model=a, other_model=b)),
        float(cells["cka_calibrated"].mean()),
    )


def _within(dataset: xr.Dataset, model: str) -> tuple[Cell, ...]:
    """The numbers of ``model``'s layers with one another, each pair once."""
    cells = _cells(dataset, model, model)
    once = np.triu_indices(cells.sizes["tap_a"], k=1)
    if not len(once[0]):
        return (model, "one layer", None, None, None)
    return (
        model,
        _share(cells["cka_q"].values[once]),
        _share(cells["cka_best_q"].sel(other_model=model).values),
        float(cells["cka"].values[once].mean()),
        float(cells["cka_calibrated"].values[once].mean()),
    )


def _by_measure(dataset: xr.Dataset, models: Sequence[str], names: Sequence[str]) -> Table:
    """The other measures, a row each, over all layers of all models."""
    return Table(
        (
            "measure",
            "permutations",
            f"{ABOVE}, across models",
            f"{MATCHES}, across models",
            "model pairs above chance",
            f"{ABOVE}, within models",
            "mean value across models",
            "mean of its 95 % points",
            "mean calibrated",
        ),
        tuple(_measure_row(dataset, models, name) for name in names),
        caption="By the other measures; families of tests as above. A pair of layers and a pair "
        "of models count in both directions. Cells where a measure is undefined are left out. "
        "Fitted measures are costly and have fewer permutations.",
    )


def _measure_row(dataset: xr.Dataset, models: Sequence[str], name: str) -> tuple[Cell, ...]:
    across = [(_cells(dataset, a, b), b) for a, b in permutations(models, 2)]
    within = [_cells(dataset, model, model) for model in models]

    def joined(part: str) -> np.ndarray:
        return np.concatenate([defined(cells[name + part]) for cells, _ in across])

    best = [defined(cells[f"{name}_best_q"].sel(other_model=b)) for cells, b in across]
    blocks = [
        defined(dataset[f"{name}_block_p_corrected"].sel(own_model=a, other_model=b))
        for a, b in permutations(models, 2)
    ]
    apart = [
        defined(cells[f"{name}_q"].where(~np.eye(cells.sizes["tap_a"], dtype=bool)))
        for cells in within
    ]
    return (
        str(dataset.attrs["measures"][name]["title"]),
        int(dataset.attrs["measures"][name]["permutations"]),
        _share(joined("_q")),
        _share(np.concatenate(best)),
        _share(np.concatenate(blocks)),
        _share(np.concatenate(apart)),
        *(_mean(joined(part)) for part in ("", "_critical", "_calibrated")),
    )


def _share(adjusted: np.ndarray) -> str:
    """Count the ``adjusted`` p values that are at most the level, of all."""
    return f"{int((adjusted <= LEVEL).sum())} of {adjusted.size}"


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None


def _cells(dataset: xr.Dataset, a: str, b: str) -> xr.Dataset:
    """The cells of ``a``'s layers with those of ``b``."""
    rows = np.flatnonzero(dataset["model_a"].values == a)
    columns = np.flatnonzero(dataset["model_b"].values == b)
    return dataset.isel(tap_a=rows, tap_b=columns)
