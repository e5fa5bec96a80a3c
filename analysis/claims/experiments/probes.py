"""The claims on probes: single tokens (E10), accuracy by depth, and transfer (E12)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from seelike.analysis.claims.evidence import Case, Measurement
from seelike.analysis.claims.results import (
    ModelResult,
    Rows,
    by_role,
    claim_contrast,
    measurement,
    relations,
    unique_cases,
)
from seelike.analysis.probing import FULL
from seelike.analysis.probing.features import CLS, MEAN, TOKEN
from seelike.analysis.similarity.intervals.jackknife import Jackknifed

FEATURES = {CLS: "class token", MEAN: "mean of spatial tokens", TOKEN: "single tokens"}
THIRDS = ("lowest third", "middle third", "highest third")
# What the shipped image sets are of, as the zoo's cards call it.
SETS = {"sample": "Fashion-MNIST", "digits": "digits"}


def token_cases(each: Sequence[ModelResult]) -> list[Case]:
    """Test E10 on probes of single tokens, under average pooling and beside a class token."""
    able = [one for one in each if last_tokens(one.own).any()]
    by_name, known = {one.model: one for one in able}, relations(able)
    measure = "mean accuracy of probes on single tokens of the last layer"
    found = []
    for pooled in able:
        classed = by_name.get(known.class_token(pooled.model) or "") if pooled.facts else None
        if classed is not None:
            better = claim_contrast(
                "E10-pooled",
                f"{shots_at_tokens(pooled.own)} {measure}",
                measurement(pooled, pooled.model, partial(last, feature=TOKEN)),
                measurement(
                    classed, f"spatial tokens of {classed.model}", partial(last, feature=TOKEN)
                ),
            )
            found.append(Case("E10-pooled", (pooled.model, classed.model), (better,)))
    for cast in by_role(able):
        vit = cast.get("vit")
        if vit is None or vit.facts.get("pooling") != "CLS" or not last_tokens(vit.own, CLS).any():
            continue
        worse = claim_contrast(
            "E10-token",
            f"{shots_at_tokens(vit.own)} accuracy of probes on tokens of the last layer of "
            f"{vit.model}",
            measurement(vit, "class token", partial(last, feature=CLS)),
            measurement(vit, "spatial tokens, mean", partial(last, feature=TOKEN)),
        )
        found.append(Case("E10-token", (vit.model,), (worse,)))
    return unique_cases(found)


def depth_cases(each: Sequence[ModelResult]) -> list[Case]:
    """Test E12 on probes by depth: more data, and a ViT's middle layers."""
    able = [one for one in each if has_mean(one.own)]
    by_name, known = {one.model: one for one in able}, relations(able)
    found = []
    parts = [
        one.model for one in able if one.family == "vit" and one.facts and known.full(one.model)
    ]
    for part in (by_name[name] for name in known.least(parts)):
        found += [_more_data(part, by_name[full]) for full in known.full(part.model)]
    for cast in by_role(able):
        if {"vit", "resnet"} <= set(cast):
            found.append(_middle(cast["vit"], cast["resnet"]))
    return unique_cases(found)


def _middle(vit: ModelResult, resnet: ModelResult) -> Case:
    id = "E12-transfer" if transferred(vit) else "E12-resnet"
    better = claim_contrast(
        id,
        f"mean {called(most(vit.own))} accuracy in the middle third of the layers, "
        f"{FEATURES[MEAN]}",
        measurement(vit, vit.model, partial(_third, third=THIRDS[1])),
        measurement(resnet, resnet.model, partial(_third, third=THIRDS[1])),
    )
    return Case(id, (vit.model, resnet.model), (better,))


def _more_data(part: ModelResult, whole: ModelResult) -> Case:
    """Test that the middle layers gain more from the rest of the data than the others."""
    rows = rows_of(part.own, feature=MEAN, shots=most(part.own))
    middle = rows_of(part.own, feature=MEAN, shots=most(part.own), third=THIRDS[1])
    gained = _accuracy(whole.own) - _accuracy(part.own)

    def gain(label: str, chosen: Rows) -> Measurement:
        return Measurement(label, gained.of(lambda each: each[:, chosen].mean(axis=1)))

    more = claim_contrast(
        "E12-middle",
        f"mean gain in {called(most(part.own))} accuracy from {part.model} "
        f"({fraction(part):.0%} of the data) to {whole.model}, {FEATURES[MEAN]}",
        gain("middle third", middle),
        gain("other layers", rows & ~middle),
    )
    return Case("E12-middle", (part.model, whole.model), (more,))


def has_mean(dataset: xr.Dataset) -> bool:
    """Whether the mean of spatial tokens was probed at three taps or more."""
    return bool(rows_of(dataset, feature=MEAN, shots=most(dataset)).sum() >= len(THIRDS))


def fraction(one: ModelResult) -> float:
    """The part of the training images that a network was trained on."""
    origin: dict[str, Any] = one.facts.get("origin") or {}
    return float(origin.get("fraction") or 1.0)


def transferred(one: ModelResult) -> bool:
    """Whether the images are known to be of another data set than the training images.

    Shipped image sets and zoo networks name their data set.
    """
    origin: dict[str, Any] = one.facts.get("origin") or {}
    source = str(one.own.attrs["images"]["source"])
    return origin.get("data") is not None and SETS.get(source, source) != origin["data"]


def rows_of(dataset: xr.Dataset, *, feature: str, shots: int, third: str | None = None) -> Rows:
    """Probes of ``feature`` that learn from ``shots``, in firing order; those of one third."""
    rows: Rows = (dataset["feature"].values == feature) & (dataset["shots"].values == shots)
    if third is None:
        return rows
    places = np.array_split(np.flatnonzero(rows), 3)[THIRDS.index(third)]
    chosen = np.zeros(len(rows), bool)
    chosen[places] = True
    return chosen


def last_tokens(dataset: xr.Dataset, feature: str = TOKEN) -> Rows:
    """Probes of ``feature`` at the last tap whose single tokens were probed, of as many shots."""
    tokens = np.flatnonzero(dataset["feature"].values == TOKEN)
    if not len(tokens):
        return np.zeros(dataset.sizes["probe"], bool)
    tap, shots = dataset["tap"].values[tokens[-1]], int(dataset["shots"].values[tokens[-1]])
    rows = rows_of(dataset, feature=feature, shots=shots)
    return np.asarray(rows & (dataset["tap"].values == tap))


def mean(dataset: xr.Dataset, rows: Rows) -> Jackknifed:
    """The mean accuracy of some probes."""
    return _accuracy(dataset).of(lambda each: each[:, rows].mean(axis=1))


def last(dataset: xr.Dataset, *, feature: str) -> Jackknifed:
    """The mean accuracy of the probes of a feature at the last tap with single tokens."""
    return mean(dataset, last_tokens(dataset, feature))


def _third(dataset: xr.Dataset, *, third: str) -> Jackknifed:
    return mean(dataset, rows_of(dataset, feature=MEAN, shots=most(dataset), third=third))


def _accuracy(dataset: xr.Dataset) -> Jackknifed:
    return Jackknifed.from_dataset(dataset, "accuracy")


def shots_of(dataset: xr.Dataset) -> list[int]:
    """List the numbers of shots, the fewest first, the full probe last."""
    return sorted(set(dataset["shots"].values.tolist()), key=lambda k: (k == FULL, k))


def most(dataset: xr.Dataset) -> int:
    """Shots of the probes that claims are about: the most, or the full ones without any."""
    few = [k for k in shots_of(dataset) if k != FULL]
    return few[-1] if few else FULL


def called(shots: int) -> str:
    """Name a number of shots: ``10-shot``, or ``full``."""
    return "full" if shots == FULL else f"{shots}-shot"


def shots_at_tokens(dataset: xr.Dataset) -> str:
    """Name the shots of probes on single tokens: ``10-shot``."""
    return called(int(dataset["shots"].values[last_tokens(dataset)][0]))


def chance(dataset: xr.Dataset) -> float:
    """The share of the test images' most frequent class."""
    attributes: dict[str, Any] = dataset.attrs
    return float(attributes["chance"])
