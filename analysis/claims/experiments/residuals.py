"""The claims on skip connections (E6)."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import xarray as xr

from seelike.analysis.claims.evidence import Case, Contrast
from seelike.analysis.claims.results import (
    ModelResult,
    Rows,
    by_role,
    claim_contrast,
    measurement,
    unique_cases,
    with_rows,
)
from seelike.analysis.similarity.intervals.jackknife import Jackknifed

# Patches of a ViT, and pixels of a ResNet.
PATCHES, CLASS_TOKEN = "spatial", "cls"
NUMBER = "mean log of the norm ratio of skip and branch"


def residual_cases(each: Sequence[ModelResult]) -> list[Case]:
    """Test E6 on norm ratios of class token and patches, and on ViT against ResNet."""
    found = []
    for cast in by_role(each):
        vit, resnet = cast.get("vit"), cast.get("resnet")
        both = with_rows(vit, partial(rows_of, token=CLASS_TOKEN, part="upper"))
        if both is not None:
            found += [_token(both), _patches(both), _crossing(both)]
        if vit is not None and resnet is not None:
            found.append(_resnet(vit, resnet))
    return unique_cases(found)


def _token(vit: ModelResult) -> Case:
    """The class token: high first, then low, and its branches take over from its skips."""
    return Case("E6-token", (vit.model,), (_halves("E6-token", vit, CLASS_TOKEN, "lower"),))


def _patches(vit: ModelResult) -> Case:
    return Case("E6-patches", (vit.model,), (_halves("E6-patches", vit, PATCHES, "upper"),))


def _halves(id: str, vit: ModelResult, token: str, higher: str) -> Contrast:
    lower = "upper" if higher == "lower" else "lower"
    named = "class token" if token == CLASS_TOKEN else "patches"
    return claim_contrast(
        id,
        f"{NUMBER} of {vit.model}, {named}",
        measurement(vit, f"{higher} half", _log_ratio(token, higher)),
        measurement(vit, f"{lower} half", _log_ratio(token, lower)),
    )


def _crossing(vit: ModelResult) -> Case:
    """Test that the ratios cross: one is above in the first half, the other in the second."""
    each = [
        claim_contrast(
            "E6-crossing",
            f"{NUMBER} of {vit.model}, {part} half",
            measurement(vit, names[first], _log_ratio(first, part)),
            measurement(vit, names[second], _log_ratio(second, part)),
        )
        for names in ({CLASS_TOKEN: "class token", PATCHES: "patches"},)
        for part, first, second in (
            ("lower", CLASS_TOKEN, PATCHES),
            ("upper", PATCHES, CLASS_TOKEN),
        )
    ]
    return Case("E6-crossing", (vit.model,), tuple(each))


def _resnet(vit: ModelResult, resnet: ModelResult) -> Case:
    whole = _log_ratio(PATCHES, "whole")
    more = claim_contrast(
        "E6-resnet",
        f"{NUMBER} over all residual sums",
        measurement(vit, vit.model, whole),
        measurement(resnet, resnet.model, whole),
    )
    return Case("E6-resnet", (vit.model, resnet.model), (more,))


def _log_ratio(token: str, part: str) -> Callable[[xr.Dataset], Jackknifed]:
    def number(dataset: xr.Dataset) -> Jackknifed:
        rows = rows_of(dataset, token=token, part=part)
        ratios = Jackknifed.from_dataset(dataset, "ratio").at(rows)
        return ratios.of(lambda each: np.log(each).mean(axis=1))

    return number


def rows_of(
    dataset: xr.Dataset, *, token: str, kind: str | None = None, part: str = "whole"
) -> Rows:
    """Select the sums of a token and a kind, in the lower or the upper half of them."""
    rows: Rows = dataset["token"].values == token
    if kind is not None:
        rows = rows & (dataset["kind"].values == kind)
    place, half = np.cumsum(rows) - 1, rows.sum() / 2
    parts: dict[str, Rows] = {
        "whole": rows,
        "lower": rows & (place < half),
        "upper": rows & (place >= half),
    }
    return parts[part]
