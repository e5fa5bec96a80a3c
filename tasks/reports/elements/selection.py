"""Models of a study: those that claims can use, and a comparison cut to some of them."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

from seelike.analysis.claims.requirements import AvailableModels
from seelike.tasks.planning.plans import ModelPlan


def available_of(plans: Iterable[ModelPlan], *, labels: bool, second: bool) -> AvailableModels:
    """Models and images of a study that its claims can use.

    Args:
        plans: Plans of all models.
        labels: Whether the images have labels.
        second: Whether a second image set with labels is there.

    Returns:
        The trained models; where none is trained, all that are no untrained baselines.
    """
    own = {plan.name: plan.facts for plan in plans if not plan.subject.baseline_of}
    trained = {name: facts for name, facts in own.items() if facts["trained"]}
    return AvailableModels(trained or own, labels=labels, second=second)


def of_models(dataset: xr.Dataset, models: Iterable[str]) -> xr.Dataset:
    """``dataset``, a comparison, cut to ``models`` and their baselines, in the order given."""
    names, owners = dataset["model_a"].values, dataset["baseline_of_a"].values
    order = list(models)
    own = [np.flatnonzero(names == model) for model in order]
    baselines = [np.flatnonzero(owners == model) for model in order]
    rows = np.concatenate([*own, *baselines])
    return dataset.isel(tap_a=rows, tap_b=rows)
