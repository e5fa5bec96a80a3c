"""Corresponding layers of two networks of one architecture: their CKA along depth."""

from collections.abc import Iterable, Mapping

import numpy as np

from seelike.analysis import figures as draw
from seelike.analysis.figures.comparison.curves import Kind
from seelike.analysis.similarity.intervals.ceilings import Ceiling, Seeds
from seelike.storage.reports.write import Csv
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.elements.tables import columns_of, csv_file

Pair = tuple[str, str]
PairedLayers = Mapping[Pair, Ceiling]


def corresponding(view: ComparisonView, pair: Pair) -> bool:
    """Whether both models of a ``pair`` were compared at the same layers."""
    first, second = pair
    return view.layers(first) == view.layers(second)


def paired_layers(view: ComparisonView, pairs: Iterable[Pair]) -> PairedLayers:
    """CKA of the corresponding layers of every pair of ``corresponding`` models, each once."""
    return {pair: _paired(view, pair) for pair in dict.fromkeys(pairs)}


def _paired(view: ComparisonView, pair: Pair) -> Ceiling:
    measured = view.measured
    chosen = np.flatnonzero(np.isin(measured.model, pair))
    seeds = Seeds(
        parts=measured.parts[:, chosen[:, None], chosen],
        model=[measured.model[i] for i in chosen.tolist()],
        tap=[measured.tap[i] for i in chosen.tolist()],
        architectures=[pair],
        images=measured.images,
    )
    return seeds.ceilings()[0]


def curve(
    view: ComparisonView, layers: PairedLayers, pair: Pair, *, label: str, kind: Kind
) -> draw.Curve:
    """CKA of a pair's corresponding layers along depth; a baseline has no band."""
    cka = layers[pair].cka
    low, high = (None, None) if kind == "untrained" else (cka.low, cka.high)
    return draw.Curve(label, view.depths(pair[0]), cka.value, low, high, kind=kind)


def paired_csv(name: str, about: str, view: ComparisonView, layers: PairedLayers) -> Csv:
    """A line per layer of every pair: depth, CKA and its interval."""
    header = ("model", "with", "tap", "depth", *columns_of(["cka"]))
    rows = (
        (*pair, tap, depth, value, low, high)
        for pair, found in layers.items()
        for tap, depth, value, low, high in zip(
            found.taps,
            view.depths(pair[0]).tolist(),
            found.cka.value.tolist(),
            *(
                [None] * len(found.taps) if end is None else end.tolist()
                for end in (found.cka.low, found.cka.high)
            ),
            strict=True,
        )
    )
    return csv_file(name, about, header, rows)
