"""The claims on attention distance (E3) and on heads beside a ResNet (E4)."""

from collections.abc import Callable, Iterator, Sequence
from math import ceil

import numpy as np
import xarray as xr

from seelike.analysis.claims.evidence import Case, Measurement, undecided_case
from seelike.analysis.claims.requirements import trained_on_part
from seelike.analysis.claims.results import (
    ModelResult,
    Rows,
    bound_measurement,
    by_role,
    claim_contrast,
    measurement,
    relations,
    unique_cases,
)
from seelike.analysis.similarity.intervals.jackknife import Jackknifed
from seelike.analysis.similarity.parts.head_subsets import Agreement

# The share of heads whose mean stands for the most local one: of a minimum alone a jackknife
# knows no error. And how many heads that takes.
LOCAL, HEADS_NEED = 0.25, 4
# Attention is local below this share of the distance of attention to all tokens alike.
HALF = 0.5
# The paper's figure 5 shows runs of heads; here it is Pearson's correlation over single heads,
# which is smooth and does not depend on the order of heads that are about as local.
FALLS = -0.8
CORRELATION_NEEDS = 8


def attention_cases(each: Sequence[ModelResult]) -> list[Case]:
    """Test E3 on attention distances: every ViT, then those trained on less data."""
    vits = [cast["vit"] for cast in by_role(each) if "vit" in cast]
    found = [case for vit in vits for case in _of_one(vit)]
    return unique_cases([*found, *_less_data(each)])


def _of_one(vit: ModelResult) -> Iterator[Case]:
    """Test the claims on the lowest and highest blocks of a ViT with global attention."""
    low, _ = ends(vit.own)
    if not low.any() or uniform(vit.own, "plain") is None:
        return
    networks = (vit.model,)
    if low.sum() < HEADS_NEED:
        why = (
            f"The lowest blocks of {vit.model} have {low.sum()} heads, the most local quarter "
            f"takes {HEADS_NEED}: take a network with more heads."
        )
        for id in ("E3-local", "E3-highest", "E3-apart"):
            yield undecided_case(id, networks, why)
        return
    lowest = measurement(vit, "lowest blocks", lambda d: most_local(d, ends(d)[0]))
    local = claim_contrast(
        "E3-local",
        f"mean distance in patches of the most local quarter of the heads of {vit.model}",
        measurement(vit, "half of attention to all alike", _half_of_uniform),
        lowest,
    )
    yield Case("E3-local", networks, (local,))
    premise = claim_contrast(
        "E3-highest",
        "the lowest blocks have local heads",
        measurement(vit, "half of attention to all alike", _half_of_uniform),
        lowest,
        premise=True,
    )
    highest = claim_contrast(
        "E3-highest",
        f"mean distance in patches of the most local quarter of the heads of {vit.model}",
        measurement(vit, "highest blocks", lambda d: most_local(d, ends(d)[1])),
        lowest,
    )
    yield Case("E3-highest", networks, (premise, highest))
    apart = claim_contrast(
        "E3-apart",
        f"standard deviation over the heads of {vit.model} of their distance in patches",
        measurement(vit, "lowest blocks", lambda d: _spread(d, ends(d)[0])),
        measurement(vit, "highest blocks", lambda d: _spread(d, ends(d)[1])),
    )
    yield Case("E3-apart", networks, (apart,))


def _less_data(each: Sequence[ModelResult]) -> Iterator[Case]:
    """Test that ViTs on least data lack local heads, against every seed that saw all data."""
    able = {
        one.model: one
        for one in each
        if one.facts.get("trained") and one.family == "vit" and ends(one.own)[0].any()
    }
    known = relations(list(able.values()))
    parts = [name for name, one in able.items() if trained_on_part(one.facts) and known.full(name)]
    for part in (able[name] for name in known.least(parts)):
        for full in (able[name] for name in known.full(part.model)):
            if uniform(full.own, "plain") is None or ends(full.own)[0].sum() < HEADS_NEED:
                continue
            local = measurement(full, full.model, lambda d: most_local(d, ends(d)[0]))
            premise = claim_contrast(
                "E3-data",
                f"{full.model} has local heads",
                measurement(full, "half of attention to all alike", _half_of_uniform),
                local,
                premise=True,
            )
            loss = claim_contrast(
                "E3-data",
                "mean distance in patches of the most local quarter of the heads of the lowest "
                "blocks",
                measurement(part, part.model, lambda d: most_local(d, ends(d)[0])),
                local,
            )
            yield Case("E3-data", (part.model, full.model), (premise, loss))


def ends(dataset: xr.Dataset) -> tuple[Rows, Rows]:
    """Select the heads of the lowest and of the highest two blocks; fewer in a small model."""
    block = dataset["block_number"].values
    count = block.max() + 1
    each = min(2, count // 2)
    return block < each, block >= count - each


def uniform(dataset: xr.Dataset, way: str) -> float | None:
    """The distance of attention to all tokens alike; None where windows make it several."""
    distances = dataset[f"{way}_uniform"].values
    return float(distances[0]) if np.ptp(distances) == 0 else None


def most_local(dataset: xr.Dataset, rows: Rows) -> Jackknifed:
    """Mean distance in patches of the most local quarter of some heads."""
    count = ceil(LOCAL * rows.sum())
    return _in_patches(dataset, rows, lambda each: np.sort(each, axis=1)[:, :count].mean(axis=1))


def _spread(dataset: xr.Dataset, rows: Rows) -> Jackknifed:
    return _in_patches(dataset, rows, lambda each: each.std(axis=1))


def _half_of_uniform(dataset: xr.Dataset) -> Jackknifed:
    every = np.ones(dataset.sizes["head"], bool)
    half = HALF * dataset["plain_uniform"].values[0] / dataset["patch"].values[0]
    return _in_patches(dataset, every, lambda each: np.full(len(each), half))


def _in_patches(
    dataset: xr.Dataset, rows: Rows, number: Callable[[np.ndarray], np.ndarray]
) -> Jackknifed:
    patch = dataset["patch"].values[rows]
    distances = Jackknifed.from_dataset(dataset, "plain").at(rows)
    return distances.of(lambda each: number(each / patch))


def subsets_case(
    heads: ModelResult, units: ModelResult, own: Agreement, untrained: Agreement | None
) -> Case:
    """Test E4 on subsets of a ViT's heads against the lowest unit of a ResNet."""
    networks = (heads.model, units.model)
    count = int(heads.own.attrs["heads"])
    if count < CORRELATION_NEEDS or own.correlation is None:
        return undecided_case(
            "E4-falls",
            networks,
            f"{heads.model} has {count} heads, a correlation over heads takes {CORRELATION_NEEDS}: "
            "take a network with more.",
        )
    before = None if untrained is None else untrained.correlation
    correlation = Measurement(
        "correlation", own.correlation.at([0]), None if before is None else before.at([0])
    )
    falls = claim_contrast(
        "E4-falls",
        f"correlation of mean distance and CKA with {units.own['part'].values[0]} of "
        f"{units.model}, over the {count} heads of {heads.own.attrs['block']} of {heads.model}",
        bound_measurement(FALLS, correlation, f"limit {FALLS:g}"),
        correlation,
    )
    return Case("E4-falls", networks, (falls,))
