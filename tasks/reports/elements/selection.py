"""What a reproduction of the whole paper found, in a store: references to its parts."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import xarray as xr

from seelike.analysis.claims.requirements import AvailableModels
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.results import AnatomyResult, ProbesResult

Reference = TypeVar("Reference", AnatomyResult, ProbesResult)


def available_of(plans: Iterable[ModelPlan], *, labels: bool, second: bool) -> AvailableModels:
    """What a study has: its trained models, or where none is trained, all of its own."""
    own = {plan.name: plan.facts for plan in plans if not plan.subject.baseline_of}
    trained = {name: facts for name, facts in own.items() if facts["trained"]}
    return AvailableModels(trained or own, labels=labels, second=second)


def of_models(dataset: xr.Dataset, models: Iterable[str]) -> xr.Dataset:
    """A comparison cut to ``models`` and their untrained twins, in the order of ``models``."""
    names, owners = dataset["model_a"].values, dataset["baseline_of_a"].values
    order = list(models)
    own = [np.flatnonzero(names == model) for model in order]
    twins = [np.flatnonzero(owners == model) for model in order]
    rows = np.concatenate([*own, *twins])
    return dataset.isel(tap_a=rows, tap_b=rows)


def of_some(reference: Reference, models: Iterable[str]) -> Reference:
    """An anatomy, or probes, cut to ``models`` and their twins, in the order of ``models``."""
    order = list(models)
    found = [
        one
        for model in order
        for one in reference.found
        if model in (one.plan.name, one.plan.subject.baseline_of)
    ]
    return replace(reference, found=tuple(found))
