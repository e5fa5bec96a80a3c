"""Results of an analysis of networks, as claims take them, and who is compared with whom."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from seelike.analysis.claims.catalogue import claim
from seelike.analysis.claims.evidence import Case, Contrast, Measurement, contrast
from seelike.analysis.claims.relations import Relations
from seelike.analysis.claims.requirements import available
from seelike.analysis.claims.roles import role_assignments
from seelike.analysis.similarity.intervals.jackknife import Jackknifed

Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ModelResult:
    """One analysis of one network: its dataset, and that of the untrained network if there is.

    ``facts`` are what the survey found of the network.
    """

    model: str
    family: str
    own: xr.Dataset
    untrained: xr.Dataset | None
    facts: Mapping[str, Any] = field(default_factory=dict)


def with_rows(one: ModelResult | None, *wanted: Callable[[xr.Dataset], Rows]) -> ModelResult | None:
    """``one`` if it has all ``wanted`` rows; without its untrained network if that lacks some."""
    if one is None or not all(rows(one.own).any() for rows in wanted):
        return None
    if one.untrained is not None and not all(rows(one.untrained).any() for rows in wanted):
        return replace(one, untrained=None)
    return one


def relations(each: Sequence[ModelResult]) -> Relations:
    """Which of the networks differ in one thing only, as far as their facts tell."""
    return Relations({one.model: one.facts for one in each if one.facts})


def by_role(each: Sequence[ModelResult]) -> Iterator[dict[str, ModelResult]]:
    """The first network of every family, then the second, ...: second seeds, and sizes.

    A study without a ViT that has a class token puts the claims on ViTs to those that average.
    """
    by_name = {one.model: one for one in each}
    facts = {one.model: {"family": one.family, **one.facts} for one in each}
    found = role_assignments(available(facts))
    pooled = [one for one in each if one.family == "vit"]
    has_vit = any(by_name[name].family == "vit" for cast in found for name in cast)
    if not has_vit and pooled:
        found = [[pooled[0].model, *cast] for cast in found or [[]]]
    for cast in found:
        yield {by_name[name].family: by_name[name] for name in cast}


def measurement(
    one: ModelResult, label: str, number: Callable[[xr.Dataset], Jackknifed]
) -> Measurement:
    """``number`` of a network's dataset, and of that before its training."""
    untrained = None if one.untrained is None else number(one.untrained)
    return Measurement(label, number(one.own), untrained)


def claim_contrast(
    id: str,
    measure: str,
    first: Measurement,
    second: Measurement,
    *,
    least: float | None = None,
    premise: bool = False,
) -> Contrast:
    """That the first number lies above the second, by the claim's ``least`` if none is given."""
    limit = claim(id).least if least is None else least
    return contrast(measure, first, second, least=limit, premise=premise)


def bound_measurement(value: float, like: Measurement, label: str) -> Measurement:
    """A number that images do not change, to be compared with one that they do."""
    untrained = None if like.untrained is None else constant_number(value, like.untrained)
    return Measurement(label, constant_number(value, like.own), untrained)


def constant_number(value: float, like: Jackknifed) -> Jackknifed:
    """``value``, whichever images are left out."""
    return like.of(lambda each: np.full(len(each), value))


def unique_cases(cases: Sequence[Case]) -> list[Case]:
    """The cases, one that two casts put to the same networks once."""
    found: dict[tuple[str, tuple[str, ...]], Case] = {}
    for case in cases:
        found.setdefault((case.id, case.networks), case)
    return list(found.values())
