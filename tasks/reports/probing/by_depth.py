"""The section on accuracy by depth (E12): models, fractions of data, shots, and the claims."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from seelike.analysis import figures as draw
from seelike.analysis.claims.experiments.probes import (
    FEATURES,
    THIRDS,
    called,
    chance,
    depth_cases,
    has_mean,
    mean,
    most,
    rows_of,
    shots_of,
)
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.probing.features import CLS, MEAN
from seelike.storage.arrays.xarray_datasets import PROBES
from seelike.storage.reports import write
from seelike.storage.reports.write import Figure, Section, Table
from seelike.tasks.reports.elements.claims import cell, listed
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import checks_of, curves, load_results
from seelike.tasks.reports.methods.anatomy import inner_method
from seelike.tasks.reports.probing.few_shot import by_shots
from seelike.tasks.results import AnatomyResult

ANALYSIS = PROBES
# What the shipped image sets are of, as the zoo's cards call it.
SETS = {"sample": "Fashion-MNIST", "digits": "digits"}


def section(reference: AnatomyResult) -> Section:
    """What layers hold, by depth."""
    each = [one for one in load_results(reference, ANALYSIS) if has_mean(one.own)]
    return Section(
        "What layers hold",
        paragraphs=(
            "A linear classifier (ridge regression on ±1 targets) learns from what each layer "
            "makes of a few images of every class, or of all training images, and is tested on "
            "others. Layers in thirds of those tapped.",
        ),
        checks=checks_of(depth_cases(each), each),
        figures=(*by_depth(each), *by_shots(distinct(each), alt=" ".join(map(_best_words, each))))
        if each
        else (),
        tables=(table(each),) if each else (),
        method=inner_method(reference, ANALYSIS),
    )


def by_depth(each: Sequence[ModelResult]) -> Iterator[Figure]:
    """Accuracy against depth, a line a model: few-shot beside full, a figure a feature."""
    for feature in (MEAN, CLS):
        panels = [
            draw.Panel(
                f"{called(shots)[0].upper()}{called(shots)[1:]}",
                "accuracy",
                [curve for one in distinct(each) for curve in _lines(one, feature, shots)],
                level=chance(each[0].own),
            )
            for shots in dict.fromkeys((most(each[0].own), shots_of(each[0].own)[-1]))
        ]
        if not any(panel.curves for panel in panels):
            continue
        yield render_figure(
            f"probes-by-depth-{feature}",
            draw.panels(panels, along="depth (0 input, 1 output)", level="chance"),
            alt=" ".join(_best_words(one) for one in each),
            caption=f"Accuracy of probes on the {FEATURES[feature]} of every layer; bands are 95 % "
            "intervals over test images and draws.",
            data=ANALYSIS,
        )


def distinct(each: Sequence[ModelResult]) -> list[ModelResult]:
    """The models, an untrained network that is the twin of several with the first alone."""
    seen: set[str] = set()
    kept = []
    for one in each:
        weights = None if one.untrained is None else str(one.untrained.attrs["facts"]["weights"])
        again = weights is None or weights in seen
        kept.append(ModelResult(one.model, one.family, one.own, None if again else one.untrained))
        seen.update(() if weights is None else (weights,))
    return kept


def _lines(one: ModelResult, feature: str, shots: int) -> Iterator[draw.Curve]:
    return curves(
        one,
        "accuracy",
        one.model,
        at="depth",
        where=partial(rows_of, feature=feature, shots=shots),
    )


def _best_words(one: ModelResult) -> str:
    """Where probes are most accurate, in a sentence; all of the layers that are equally so."""
    shots = shots_of(one.own)[-1]
    rows = np.flatnonzero(rows_of(one.own, feature=MEAN, shots=shots))
    values = one.own["accuracy"].values[rows]
    # Equal counts of the same test images are equal numbers: accuracies sum them exactly.
    best = one.own["tap"].values[rows[values == values.max()]]
    return (
        f"{one.model}: {called(shots)} probes are best at {listed(best)} with {values.max():.2f}."
    )


def table(each: Sequence[ModelResult]) -> Table:
    """By model and shots: the mean accuracy of each third of its layers, and of its last one."""
    rows: list[tuple[write.Cell, ...]] = []
    for one in distinct(each):
        for dataset, kind in ((one.own, "trained"), (one.untrained, "untrained")):
            if dataset is None:
                continue
            for shots in dict.fromkeys((most(dataset), shots_of(dataset)[-1])):
                of = partial(rows_of, dataset, feature=MEAN, shots=shots)
                if not of().any():
                    continue
                last = np.zeros(dataset.sizes["probe"], bool)
                last[np.flatnonzero(of())[-1]] = True
                rows.append(
                    (
                        one.model,
                        kind,
                        called(shots),
                        *(cell(mean(dataset, of(third=third)).estimates[0]) for third in THIRDS),
                        cell(mean(dataset, last).estimates[0]),
                    )
                )
    return Table(
        ("model", "weights", "probe", *THIRDS, "last layer"),
        tuple(rows),
        caption=f"Accuracy of probes on the {FEATURES[MEAN]}, means over layers, with 95 % "
        "intervals over test images and draws.",
    )
