"""The section on accuracy by depth (E12): models, fractions of data, shots, and the claims."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from analysis import figures as draw
from analysis.probing.features import CLS, MEAN
from analysis.similarity import Resampled
from storage import reports
from storage.comparisons import PROBES
from storage.reports import Check, Figure, Section, Table
from tasks.drawn import drawn
from tasks.inner_methods import inner_method
from tasks.looked import Looked, Side, cell, check, curves, first, looked, numbers, side, words
from tasks.probe_rows import FEATURES, THIRDS, called, chance, mean, most, rows_of, shots_of
from tasks.references import AnatomyReference
from tasks.relations import Relations
from tasks.shot_figure import by_shots

ANALYSIS = PROBES
# What the shipped image sets are of, as the zoo's cards call it.
SETS = {"sample": "Fashion-MNIST", "digits": "digits"}


def section(reference: AnatomyReference) -> Section:
    """What layers hold, by depth."""
    each = [one for one in looked(reference, ANALYSIS) if has_mean(one.own)]
    found = list(claims(each))
    return Section(
        "What layers hold",
        paragraphs=(
            "A linear classifier (ridge regression on ±1 targets) learns from what each layer "
            "makes of a few images of every class, or of all training images, and is tested on "
            "others. Layers in thirds of those tapped.",
            *(words(one) for one in found),
        ),
        checks=tuple(found),
        figures=(*by_depth(each), *by_shots(distinct(each), alt=" ".join(map(_best_words, each))))
        if each
        else (),
        tables=(table(each),) if each else (),
        method=inner_method(reference, ANALYSIS),
    )


def has_mean(dataset: xr.Dataset) -> bool:
    """Whether the mean of spatial tokens was probed at three taps or more."""
    return bool(rows_of(dataset, feature=MEAN, shots=most(dataset)).sum() >= len(THIRDS))


def claims(each: list[Looked]) -> Iterator[Check]:
    """What the study says of more data, and of a ViT's middle layers beside a ResNet's."""
    by_name = {one.model: one for one in each}
    among = Relations({name: one.own.attrs["facts"] for name, one in by_name.items()})
    full = [one for one in each if not among.full(one.model)]
    vit, resnet = first(full, "vit"), first(full, "resnet")
    parts = [
        (fraction(one), one, by_name[among.full(one.model)[0]])
        for one in each
        if one.family == "vit" and among.full(one.model)
    ]
    if parts:
        yield _more_data(*min(parts, key=lambda part: part[0])[1:])
    if vit is not None and resnet is not None:
        yield check(
            "E12-transfer" if transferred(vit) else "E12-resnet",
            f"mean {called(most(vit.own))} accuracy in the middle third of the layers, "
            f"{FEATURES[MEAN]}",
            side(vit, vit.model, partial(_third, third=THIRDS[1])),
            side(resnet, resnet.model, partial(_third, third=THIRDS[1])),
        )


def _more_data(part: Looked, whole: Looked) -> Check:
    """That the middle layers gain more by the rest of the data than the others do."""
    rows = rows_of(part.own, feature=MEAN, shots=most(part.own))
    middle = rows_of(part.own, feature=MEAN, shots=most(part.own), third=THIRDS[1])
    gained = numbers(whole.own, "accuracy") - numbers(part.own, "accuracy")

    def gain(label: str, chosen: np.ndarray) -> Side:
        return Side(label, gained.of(lambda each: each[:, chosen].mean(axis=1)), None)

    return check(
        "E12-middle",
        f"mean gain in {called(most(part.own))} accuracy from {part.model} "
        f"({fraction(part):.0%} of the data) to {whole.model}, {FEATURES[MEAN]}",
        gain("middle third", middle),
        gain("other layers", rows & ~middle),
    )


def fraction(one: Looked) -> float:
    """The part of the training images that a network was trained on."""
    origin: dict[str, Any] = one.own.attrs["facts"].get("origin") or {}
    return float(origin.get("fraction") or 1.0)


def transferred(one: Looked) -> bool:
    """Whether the images are of another data set than the network was trained on, as far as known.

    Shipped image sets and zoo networks tell what they are of.
    """
    origin: dict[str, Any] = one.own.attrs["facts"].get("origin") or {}
    source = str(one.own.attrs["images"]["source"])
    return origin.get("data") is not None and SETS.get(source, source) != origin["data"]


def _third(dataset: xr.Dataset, *, third: str) -> Resampled:
    return mean(dataset, rows_of(dataset, feature=MEAN, shots=most(dataset), third=third))


def by_depth(each: Sequence[Looked]) -> Iterator[Figure]:
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
        yield drawn(
            f"probes-by-depth-{feature}",
            draw.panels(panels, along="depth (0 input, 1 output)", level="chance"),
            alt=" ".join(_best_words(one) for one in each),
            caption=f"Accuracy of probes on the {FEATURES[feature]} of every layer; bands are 95 % "
            "intervals over test images and draws.",
            data=ANALYSIS,
        )


def distinct(each: Sequence[Looked]) -> list[Looked]:
    """The models, an untrained network that is the twin of several with the first alone."""
    seen: set[str] = set()
    kept = []
    for one in each:
        weights = None if one.twin is None else str(one.twin.attrs["facts"]["weights"])
        again = weights is None or weights in seen
        kept.append(Looked(one.model, one.family, one.own, None if again else one.twin))
        seen.update(() if weights is None else (weights,))
    return kept


def _lines(one: Looked, feature: str, shots: int) -> Iterator[draw.Curve]:
    return curves(
        one,
        "accuracy",
        one.model,
        at="depth",
        where=partial(rows_of, feature=feature, shots=shots),
    )


def _best_words(one: Looked) -> str:
    shots = shots_of(one.own)[-1]
    rows = np.flatnonzero(rows_of(one.own, feature=MEAN, shots=shots))
    values = one.own["accuracy"].values[rows]
    best = rows[int(np.argmax(values))]
    return (
        f"{one.model}: {called(shots)} probes are best at {one.own['tap'].values[best]} with "
        f"{values.max():.2f}."
    )


def table(each: Sequence[Looked]) -> Table:
    """By model and shots: the mean accuracy of each third of its layers, and of its last one."""
    rows: list[tuple[reports.Cell, ...]] = []
    for one in distinct(each):
        for dataset, kind in ((one.own, "trained"), (one.twin, "untrained")):
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
