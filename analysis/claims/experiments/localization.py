"""The claims on localization (E8, E9)."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import xarray as xr

from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.results import (
    ModelResult,
    Rows,
    bound_measurement,
    by_role,
    claim_contrast,
    measurement,
    relations,
    unique_cases,
    with_rows,
)
from seelike.analysis.similarity.intervals.jackknife import Jackknifed

PIXELS = "pixels"
# The share of tokens that have to resemble their own patch most. Claims take the soft share: a
# count of tokens jumps, and its jackknife covers 80 % where 95 % are meant.
MOST_TOKENS = 0.5


def localization_cases(each: Sequence[ModelResult]) -> list[Case]:
    """Test E8 and E9 on the localization of ViT, ResNet, and ViT with average pooling."""
    placed = [one for one in (with_rows(one, looked_at) for one in each) if one is not None]
    found = []
    for cast in by_role(placed):
        vit, resnet = cast.get("vit"), cast.get("resnet")
        if vit is not None:
            found.append(_own(vit))
        if vit is not None and resnet is not None:
            found.append(_resnet(vit, resnet))
    by_name, known = {one.model: one for one in placed}, relations(placed)
    for pooled in (one for one in placed if one.facts.get("pooling") == "GAP"):
        with_class_token = by_name.get(known.class_token(pooled.model) or "")
        if with_class_token is not None:
            found.append(_pooled(with_class_token, pooled))
    return unique_cases(found)


def _own(vit: ModelResult) -> Case:
    inside = measurement(vit, "tokens inside the image", partial(score, name="inside_soft"))
    own = claim_contrast(
        "E8-own",
        f"soft share of {vit.model}'s tokens in its last block but one of which the own patch is "
        "the most similar",
        inside,
        bound_measurement(MOST_TOKENS, inside, "half of them"),
    )
    return Case("E8-own", (vit.model,), (own,))


def _resnet(vit: ModelResult, resnet: ModelResult) -> Case:
    less = claim_contrast(
        "E8-resnet",
        "soft share of tokens, or locations, of which the own patch is the most similar",
        measurement(vit, f"{vit.model}, last block but one", score),
        measurement(resnet, f"{resnet.model}, last unit", score),
    )
    return Case("E8-resnet", (vit.model, resnet.model), (less,))


def _pooled(with_class_token: ModelResult, pooled: ModelResult) -> Case:
    less = claim_contrast(
        "E9-pooled",
        "soft share of tokens of the last block but one of which the own patch is the most similar",
        measurement(with_class_token, f"{with_class_token.model}, class token", score),
        measurement(pooled, f"{pooled.model}, mean", score),
    )
    return Case("E9-pooled", (with_class_token.model, pooled.model), (less,))


def score(dataset: xr.Dataset, name: str = "soft") -> Jackknifed:
    """Read a score of the row that claims are about."""
    rows = looked_at(dataset)
    return Jackknifed.from_dataset(dataset, name).of(lambda each: each[:, rows].mean(axis=1))


def blocks_of(dataset: xr.Dataset, *, patches: str = PIXELS) -> Rows:
    """Select the rows of blocks for a kind of patches; all taps where no block is known."""
    blocks: Rows = dataset["is_block"].values
    chosen: Rows = dataset["patches"].values == patches
    return chosen & blocks if blocks.any() else chosen


def looked_at(dataset: xr.Dataset) -> Rows:
    """Select the row that claims are about: the last block but one, for a feature map the last.

    The last block of a transformer feeds the classifier by its class token only.
    """
    rows = np.flatnonzero(blocks_of(dataset))
    chosen = np.zeros(dataset.sizes["layer"], bool)
    if len(rows):
        several = len(rows) > 1 and dataset["kind"].values[rows[-1]] == "tokens"
        chosen[rows[-2 if several else -1]] = True
    return chosen
