"""The same layers of two networks of one architecture: their CKA along depth, with intervals."""

import csv
import io
from collections.abc import Iterable

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.findings import ComparedModels
from seelike.analysis.figures.comparison.curves import Kind
from seelike.analysis.similarity.intervals.ceilings import Ceiling, Seeds

Pair = tuple[str, str]


def corresponding(dataset: xr.Dataset, measured: ComparedModels, pair: Pair) -> bool:
    """Whether both models of a ``pair`` were compared at the same taps."""
    names = np.asarray(measured.model)
    first, second = (dataset["tap_a"].values[names == model].tolist() for model in pair)
    return bool(first == second)


def same_layers(dataset: xr.Dataset, measured: ComparedModels, pair: Pair) -> Ceiling:
    """CKA of the corresponding taps of a ``pair`` of models that are ``corresponding``."""
    chosen = np.flatnonzero(np.isin(measured.model, pair))
    seeds = Seeds(
        parts=measured.parts[:, chosen[:, None], chosen],
        model=[measured.model[i] for i in chosen.tolist()],
        tap=[str(dataset["tap_a"].values[i]) for i in chosen],
        architectures=[pair],
        images=measured.images,
    )
    return seeds.ceilings()[0]


def curve(
    dataset: xr.Dataset, measured: ComparedModels, pair: Pair, *, label: str, kind: Kind
) -> draw.Curve:
    """The same along depth, as a figure takes it."""
    found = same_layers(dataset, measured, pair).cka
    depth = dataset["depth_a"].values[np.asarray(measured.model) == pair[0]]
    # One band a line is what can be told apart: a baseline goes without.
    low, high = (None, None) if kind == "untrained" else (found.low, found.high)
    return draw.Curve(label, depth, found.value, low, high, kind=kind)


def lines(dataset: xr.Dataset, measured: ComparedModels, pairs: Iterable[Pair]) -> str:
    """As CSV: a line a tap of every pair, with its depth, CKA and interval."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("model", "with", "tap", "depth", "cka", "cka_low", "cka_high"))
    for pair in pairs:
        found = same_layers(dataset, measured, pair)
        depth = dataset["depth_a"].values[np.asarray(measured.model) == pair[0]]
        for row, tap in enumerate(found.taps):
            bounds = (
                "" if end is None else float(end[row]) for end in (found.cka.low, found.cka.high)
            )
            writer.writerow((*pair, tap, float(depth[row]), float(found.cka.value[row]), *bounds))
    return text.getvalue()
