"""Section on probes of single tokens (E10): accuracy maps over the image, claims."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.experiments.probes import (
    FEATURES,
    chance,
    last_tokens,
    mean,
    rows_of,
    shots_at_tokens,
    token_cases,
)
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.probing.features import CLS, MEAN, TOKEN
from seelike.storage.arrays.xarray_datasets import PROBES
from seelike.storage.digest import slug
from seelike.storage.reports import write
from seelike.storage.reports.write import Csv, Figure, Section, Table
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import AnalysisResults, curves
from seelike.tasks.reports.methods.anatomy import anatomy_method

ANALYSIS = PROBES
# Panels side by side in one figure.
BESIDE = 3


def section(results: AnalysisResults) -> Section:
    """Build the section."""
    each = [one for one in results.each if last_tokens(one.own).any()]
    return Section(
        "Accuracy of probes on single tokens",
        paragraphs=(
            "A linear classifier learns from one token of a layer alone. Where the maps of a "
            "network differ in size they are pooled to the smallest, so that a token covers the "
            "same part of the image at every depth.",
            *results.left_out(),
        ),
        checks=results.checks_of(token_cases(each)),
        figures=(*maps(each), *by_depth(each)),
        tables=(table(each),) if each else (),
        method=anatomy_method(ANALYSIS, results.attributes),
        data=(probes_csv(results),),
    )


def probes_csv(results: AnalysisResults) -> Csv:
    """All probes of all models as CSV."""
    return results.csv(
        ANALYSIS,
        "one line per probe: its accuracy; 0 shots stands for all training images",
        labels=("tap", "depth", "feature", "row", "column", "shots", "penalty"),
        variables=("accuracy",),
    )


def maps(each: list[ModelResult]) -> Iterator[Figure]:
    """Accuracy of every single token, all models on one scale."""
    if not each:
        return
    rows = [(one.model, list(_maps(one.own))) for one in each]
    floor = chance(each[0].own)
    yield render_figure(
        "token-accuracy",
        draw.token_maps(rows, floor=floor, unit=f"{shots_at_tokens(each[0].own)} accuracy"),
        alt=" ".join(_map_words(one) for one in each),
        caption=f"{shots_at_tokens(each[0].own)} accuracy of a probe on each single token, at its "
        f"place in the image. Black is chance ({floor:.2f}).",
        data=ANALYSIS,
    )


def _maps(dataset: xr.Dataset) -> Iterator[draw.TokenMap]:
    tokens = np.flatnonzero(dataset["feature"].values == TOKEN)
    taps = dataset["tap"].values
    for tap in dict.fromkeys(taps[tokens].tolist()):
        own = tokens[taps[tokens] == tap]
        rows, columns = dataset["row"].values[own], dataset["column"].values[own]
        values = np.empty((rows.max() + 1, columns.max() + 1))
        values[rows, columns] = dataset["accuracy"].values[own]
        yield draw.TokenMap(str(tap), values)


def _map_words(one: ModelResult) -> str:
    values = one.own["accuracy"].values[last_tokens(one.own)]
    return (
        f"{one.model}: in the last layer single tokens have an accuracy of {values.min():.2f} to "
        f"{values.max():.2f}."
    )


def by_depth(each: list[ModelResult]) -> Iterator[Figure]:
    """Accuracy by depth: class token, mean of spatial tokens, and single tokens on average."""
    for start in range(0, len(each), BESIDE):
        chosen = each[start : start + BESIDE]
        panels = [
            draw.Panel(
                one.model,
                f"{shots_at_tokens(one.own)} accuracy",
                [curve for feature in FEATURES for curve in _curves(one, feature)],
                level=chance(one.own),
            )
            for one in chosen
        ]
        yield render_figure(
            f"tokens-by-depth-{slug(chosen[0].model)}",
            draw.panels(
                panels,
                along="depth (0 input, 1 output)",
                level="chance",
                order=list(FEATURES.values()),
            ),
            alt=" ".join(_map_words(one) for one in chosen),
            caption="Probes on the class token, on the mean of the spatial tokens, and the mean "
            "over probes on single ones. Bands are 95 % intervals over test images and draws.",
            data=ANALYSIS,
        )


def _curves(one: ModelResult, feature: str) -> Iterator[draw.Curve]:
    means = ModelResult(
        one.model,
        one.family,
        by_tap(one.own, feature),
        None if one.untrained is None else by_tap(one.untrained, feature),
    )
    return curves(
        means,
        "accuracy",
        FEATURES[feature],
        at="depth",
        where=lambda dataset: np.ones(dataset.sizes["tap"], bool),
    )


def by_tap(dataset: xr.Dataset, feature: str) -> xr.Dataset:
    """Accuracy of one feature over ``tap``; for single tokens the mean over them."""
    shots = int(dataset["shots"].values[last_tokens(dataset)][0])
    rows = rows_of(dataset, feature=feature, shots=shots)
    taps = dict.fromkeys(dataset["tap"].values[rows].tolist())
    each = [mean(dataset, rows & (dataset["tap"].values == tap)).estimates[0] for tap in taps]
    depth = dict(zip(dataset["tap"].values.tolist(), dataset["depth"].values, strict=True))
    return xr.Dataset(
        {
            "accuracy": ("tap", np.array([one.value for one in each])),
            "accuracy_low": ("tap", np.array([one.low for one in each], float)),
            "accuracy_high": ("tap", np.array([one.high for one in each], float)),
        },
        {"depth": ("tap", np.array([depth[tap] for tap in taps], float))},
    )


def table(each: list[ModelResult]) -> Table:
    """Accuracy in the last layer of every model: class token, mean of tokens, single tokens."""
    rows: list[tuple[write.Cell, ...]] = []
    for one in each:
        for dataset, kind in ((one.own, "trained"), (one.untrained, "untrained")):
            if dataset is None:
                continue
            single = dataset["accuracy"].values[last_tokens(dataset)]
            rows.append(
                (
                    one.model,
                    kind,
                    str(dataset["tap"].values[last_tokens(dataset)][0]),
                    *(
                        mean(dataset, own).estimates[0] if own.any() else None
                        for own in (last_tokens(dataset, f) for f in (CLS, MEAN, TOKEN))
                    ),
                    float(single.min()),
                    float(single.max()),
                )
            )
    return Table(
        ("model", "weights", "layer", *FEATURES.values(), "worst token", "best token"),
        tuple(rows),
        caption="Accuracy in the last layer whose single tokens were probed, with 95 % intervals "
        "over test images and draws.",
    )
