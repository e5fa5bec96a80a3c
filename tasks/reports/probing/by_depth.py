"""Section on the accuracy of probes by depth (E12): models, fractions of data, shots, claims."""

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
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import AnalysisResults, curves
from seelike.tasks.reports.elements.wording import capitalize, join_names
from seelike.tasks.reports.methods.anatomy import anatomy_method
from seelike.tasks.reports.probing.few_shot import by_shots
from seelike.tasks.reports.probing.single_tokens import probes_csv

ANALYSIS = PROBES
# Names of the shipped image sets on the cards of the zoo.
SETS = {"sample": "Fashion-MNIST", "digits": "digits"}


def section(results: AnalysisResults) -> Section:
    """Build the section."""
    each = [one for one in results.each if has_mean(one.own)]
    best = " ".join(map(best_words, each))
    return Section(
        "Accuracy of probes by depth",
        paragraphs=(
            "A linear classifier (ridge regression on ±1 targets) learns from the features of each "
            "layer for a few images of every class, or for all training images, and is tested on "
            "others. Thirds are thirds of the layers chosen.",
        ),
        checks=results.checks_of(depth_cases(each)),
        figures=(*by_depth(each, alt=best), *by_shots(distinct(each), alt=best)) if each else (),
        tables=(table(each),) if each else (),
        method=anatomy_method(ANALYSIS, results.attributes),
        data=(probes_csv(results),),
    )


def by_depth(each: Sequence[ModelResult], *, alt: str) -> Iterator[Figure]:
    """Accuracy against depth, few-shot beside full: a curve per model, a figure per feature."""
    for feature in (MEAN, CLS):
        panels = [
            draw.Panel(
                capitalize(called(shots)),
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
            alt=alt,
            caption=f"Accuracy of probes on the {FEATURES[feature]} of every layer. Bands are 95 % "
            "intervals over test images and draws.",
            data=ANALYSIS,
        )


def distinct(each: Sequence[ModelResult]) -> list[ModelResult]:
    """The models; an untrained baseline that several share stays with the first of them."""
    shown: set[str] = set()
    kept = []
    for one in each:
        weights = None if one.untrained is None else str(one.untrained.attrs["facts"]["weights"])
        again = weights is None or weights in shown
        kept.append(ModelResult(one.model, one.family, one.own, None if again else one.untrained))
        shown.update(() if weights is None else (weights,))
    return kept


def _lines(one: ModelResult, feature: str, shots: int) -> Iterator[draw.Curve]:
    return curves(
        one,
        "accuracy",
        one.model,
        at="depth",
        where=partial(rows_of, feature=feature, shots=shots),
    )


def best_words(one: ModelResult) -> str:
    """The layer with the most accurate probes, all layers where several are equally accurate."""
    shots = shots_of(one.own)[-1]
    rows = np.flatnonzero(rows_of(one.own, feature=MEAN, shots=shots))
    values = one.own["accuracy"].values[rows]
    # Equal counts of the same test images are equal numbers: accuracies sum them exactly.
    best = one.own["tap"].values[rows[values == values.max()]]
    where = f"{join_names(best)} with {values.max():.2f}"
    return f"{one.model}: {called(shots)} probes are best at {where}."


def table(each: Sequence[ModelResult]) -> Table:
    """Mean accuracy of each third of the layers, and of the last layer, by model and shots."""
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
                        *(mean(dataset, of(third=third)).estimates[0] for third in THIRDS),
                        mean(dataset, last).estimates[0],
                    )
                )
    return Table(
        ("model", "weights", "probe", *THIRDS, "last layer"),
        tuple(rows),
        caption=f"Accuracy of probes on the {FEATURES[MEAN]}, means over layers, with 95 % "
        "intervals over test images and draws.",
    )
