"""Which taps a comparison is of: on the same images, varying over them, with their labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seelike.analysis.errors import AnalysisError
from seelike.storage.arrays.signatures import open_signatures
from seelike.storage.store import Store
from seelike.tasks.planning.plans import ModelPlan


def check_same_images(plans: Sequence[ModelPlan]) -> None:
    """Refuse models that were recorded on other images, or in other batches, than the first."""
    first = plans[0]
    for plan in plans[1:]:
        for key in ("images", "batch", "reduction"):
            if plan.identity[key] != first.identity[key]:
                raise AnalysisError(
                    f"{plan.name} and {first.name} were recorded with different {key} "
                    f"({_short(plan.identity[key])} and {_short(first.identity[key])}); only what "
                    "was seen on the same images in the same batches can be compared"
                )


def _short(value: object) -> str:
    return str(value)[:12]


def varying(store: Store, plans: Sequence[ModelPlan], *, skip: bool) -> np.ndarray:
    """Indices of the taps that vary over the images, for which similarity is defined."""
    kept = [open_signatures(store, plan.signatures("cka")) for plan in plans]
    lengths = np.concatenate([one.lengths() for one in kept])
    present = np.flatnonzero(lengths.any(axis=1))
    constant = left_out(plans, present)
    if constant and not skip:
        raise AnalysisError(
            f"constant over the images, so no similarity is defined: {', '.join(constant)}; "
            "leave such taps out with --skip-degenerate"
        )
    return present


def left_out(plans: Sequence[ModelPlan], present: np.ndarray) -> list[str]:
    """Model and tap of what is not among the ``present``."""
    every = labels(plans, np.arange(sum(len(plan.taps) for plan in plans)))
    gone = sorted(set(range(len(every["tap"]))) - {int(i) for i in present})
    return [f"{every['model'][i]}: {every['tap'][i]}" for i in gone]


def labels(plans: Sequence[ModelPlan], present: np.ndarray) -> dict[str, list[Any]]:
    """The coordinates of the ``present`` taps, without the suffix of their axis."""
    every = [(plan, tap) for plan in plans for tap in plan.taps]
    rows = [every[int(i)] for i in present]
    return {
        "model": [plan.name for plan, _ in rows],
        "tap": [tap.name for _, tap in rows],
        "depth": [tap.depth for _, tap in rows],
        "trained": [plan.subject.trained for plan, _ in rows],
        "baseline_of": [plan.subject.baseline_of for plan, _ in rows],
    }
