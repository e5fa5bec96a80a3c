"""The section of a report on chance: what is more alike than shuffled images would be."""

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np
import xarray as xr

from storage.reports import Cell, Section, Table
from tasks.methods import chance_method

LEVEL = 0.05


def chance(dataset: xr.Dataset, models: Sequence[str], measures: Sequence[str]) -> Section:
    """What of the similarity across ``models`` is more than shuffled images would show.

    By CKA for every two models, by the other ``measures`` for all of them together.
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
                    "pairs above chance",
                    "best matches above chance",
                    "largest CKA",
                    "p of the largest",
                    "mean calibrated CKA",
                ),
                tuple(_row(dataset, a, b) for a, b in permutations(models, 2)),
                caption="Calibrated CKA is 0 at the 95 % point of the shuffles and 1 at 1.",
            ),
            *([_by_measure(dataset, models, others)] if others else []),
        ),
        method=chance_method(dataset),
    )


def _words(dataset: xr.Dataset, measures: Sequence[str]) -> Iterator[str]:
    yield (
        f"Images of one model were shuffled within their batches "
        f"{dataset.attrs['permutations']} times. A pair of layers is above chance where its p "
        "value, adjusted for all pairs (false-discovery rate, Benjamini and Hochberg), is at "
        f"most {LEVEL:g}; a best match where it is above the best matches under the same "
        "shuffles; two models where their most similar layers are."
    )
    about = dataset.attrs["measures"]
    untested = [about[name]["title"] for name in measures if f"{name}_p" not in dataset]
    if untested:
        yield f"Without a null, as the study asks for no permutations: {', '.join(untested)}."


def _row(dataset: xr.Dataset, a: str, b: str) -> tuple[Cell, ...]:
    """The numbers of ``a``'s layers with those of ``b``."""
    cells = _cells(dataset, a, b)
    best = cells["cka_best_p"].sel(other_model=b).values
    return (
        a,
        b,
        f"{int((cells['cka_q'].values <= LEVEL).sum())} of {cells['cka'].size}",
        f"{int((best <= LEVEL).sum())} of {len(best)}",
        float(cells["cka"].max()),
        float(dataset["cka_block_p"].sel(own_model=a, other_model=b)),
        float(cells["cka_calibrated"].mean()),
    )


def _by_measure(dataset: xr.Dataset, models: Sequence[str], names: Sequence[str]) -> Table:
    """The other measures, a row each, over all layers of all pairs of models."""
    return Table(
        (
            "measure",
            "permutations",
            "pairs above chance",
            "best matches above chance",
            "model pairs above chance",
            "mean value",
            "mean of its 95 % points",
            "mean calibrated",
        ),
        tuple(_measure_row(dataset, models, name) for name in names),
        caption="The same by the other measures, over the layers of all pairs of models. Fits are "
        "costly, and so tested with fewer permutations.",
    )


def _measure_row(dataset: xr.Dataset, models: Sequence[str], name: str) -> tuple[Cell, ...]:
    pairs = list(permutations(models, 2))
    cells = [_cells(dataset, a, b) for a, b in pairs]

    def joined(part: str) -> np.ndarray:
        return np.concatenate([one[name + part].values.ravel() for one in cells])

    best = np.concatenate(
        [
            one[f"{name}_best_p"].sel(other_model=b).values
            for one, (_, b) in zip(cells, pairs, strict=True)
        ]
    )
    blocks = [float(dataset[f"{name}_block_p"].sel(own_model=a, other_model=b)) for a, b in pairs]
    q = joined("_q")
    return (
        str(dataset.attrs["measures"][name]["title"]),
        int(dataset.attrs["measures"][name]["permutations"]),
        f"{int((q <= LEVEL).sum())} of {len(q)}",
        f"{int((best <= LEVEL).sum())} of {len(best)}",
        f"{sum(p <= LEVEL for p in blocks)} of {len(blocks)}",
        float(joined("").mean()),
        float(joined("_critical").mean()),
        float(joined("_calibrated").mean()),
    )


def _cells(dataset: xr.Dataset, a: str, b: str) -> xr.Dataset:
    """The cells of ``a``'s layers with those of ``b``."""
    rows = np.flatnonzero(dataset["model_a"].values == a)
    columns = np.flatnonzero(dataset["model_b"].values == b)
    return dataset.isel(tap_a=rows, tap_b=columns)
