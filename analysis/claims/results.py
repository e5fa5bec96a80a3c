"""Results of an analysis of networks as claims use them, and roles of the networks."""

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
    """One analysis of one network.

    Attributes:
        model: Label of the network.
        family: Its family.
        own: Dataset of the analysis.
        untrained: Dataset of its untrained baseline, None without one.
        facts: Facts of the network from the survey.
    """

    model: str
    family: str
    own: xr.Dataset
    untrained: xr.Dataset | None
    facts: Mapping[str, Any] = field(default_factory=dict)


def with_rows(one: ModelResult | None, *wanted: Callable[[xr.Dataset], Rows]) -> ModelResult | None:
    """Require rows of a result.

    Args:
        one: The result.
        wanted: Each gives a mask over the rows of a dataset.

    Returns:
        ``one`` if every mask has a row in its dataset, otherwise None; without its untrained
        baseline where that lacks rows.
    """
    if one is None or not all(rows(one.own).any() for rows in wanted):
        return None
    if one.untrained is not None and not all(rows(one.untrained).any() for rows in wanted):
        return replace(one, untrained=None)
    return one


def relations(each: Sequence[ModelResult]) -> Relations:
    """Find the relations of the networks, pairs that differ in one factor, from their facts."""
    return Relations({one.model: one.facts for one in each if one.facts})


def by_role(each: Sequence[ModelResult]) -> Iterator[dict[str, ModelResult]]:
    """Assign networks to the paper's roles by family.

    In a study without a ViT that has a class token, a ViT with average pooling takes its role.

    Yields:
        The first network of every family, then the second (another seed or size), and so on.
    """
    by_name = {one.model: one for one in each}
    facts = {one.model: {"family": one.family, **one.facts} for one in each}
    found = role_assignments(available(facts))
    pooled = [one for one in each if one.family == "vit"]
    has_vit = any(by_name[name].family == "vit" for roles in found for name in roles)
    if not has_vit and pooled:
        found = [[pooled[0].model, *roles] for roles in found or [[]]]
    for roles in found:
        yield {by_name[name].family: by_name[name] for name in roles}


def measurement(
    one: ModelResult, label: str, number: Callable[[xr.Dataset], Jackknifed]
) -> Measurement:
    """Measure ``number`` on a network's dataset and on that of its untrained baseline."""
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
    """Contrast two sides for a claim.

    Args:
        id: The claim's id.
        measure: Name of the measured quantity.
        first: The side that is claimed to be above.
        second: The other side.
        least: The smallest difference that matters; the claim's own if left out.
        premise: Whether this is a condition of the claim, not a part of it.
    """
    limit = claim(id).least if least is None else least
    return contrast(measure, first, second, least=limit, premise=premise)


def bound_measurement(value: float, like: Measurement, label: str) -> Measurement:
    """Make a measurement of a constant, to be compared with the measurement ``like``."""
    untrained = None if like.untrained is None else constant_number(value, like.untrained)
    return Measurement(label, constant_number(value, like.own), untrained)


def constant_number(value: float, like: Jackknifed) -> Jackknifed:
    """Make a jackknifed number that is ``value`` whichever images are left out."""
    return like.of(lambda each: np.full(len(each), value))


def unique_cases(cases: Sequence[Case]) -> list[Case]:
    """Drop repeated cases: the same claim on the same networks."""
    found: dict[tuple[str, tuple[str, ...]], Case] = {}
    for case in cases:
        found.setdefault((case.id, case.networks), case)
    return list(found.values())
