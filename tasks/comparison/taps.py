"""Taps of a comparison: recorded on the same images, varying over them, and their labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seelike.analysis.errors import AnalysisError
from seelike.storage.arrays.signatures import open_signatures
from seelike.storage.store import Store
from seelike.tasks.planning.plans import ModelPlan

# Of the identity of a recording: what makes two of them comparable.
COMPARABLE = {"images": "image set", "batch": "batch size", "reduction": "reduction"}


def check_same_images(identities: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Refuse models recorded on other images, or in other batches, than the first.

    Args:
        identities: The name of each model and the identity of its recording.

    Raises:
        AnalysisError: Naming both models and what differs.
    """
    first_name, first = identities[0]
    for name, identity in identities[1:]:
        for key, words in COMPARABLE.items():
            own, other = (str(one.get(key))[:12] for one in (identity, first))
            if identity.get(key) != first.get(key):
                raise AnalysisError(
                    f"{name} was recorded with {words} {own}, {first_name} with {other}; models "
                    "are compared on the same images in the same batches: record them in one study"
                )


def varying_taps(store: Store, plans: Sequence[ModelPlan], *, skip: bool) -> np.ndarray:
    """Find the taps that vary over the images, on which similarity is defined.

    Args:
        store: The store with the signatures.
        plans: The models.
        skip: Leave out constant taps instead of raising.

    Returns:
        Their indices into all taps of all models, (T,) int.

    Raises:
        AnalysisError: Naming model and tap of constant ones, unless they are skipped.
    """
    kept = [open_signatures(store, plan.signatures("cka")) for plan in plans]
    lengths = np.concatenate([one.lengths() for one in kept])
    present = np.flatnonzero(lengths.any(axis=1))
    constant = left_out_taps(plans, present)
    if constant and not skip:
        raise AnalysisError(
            f"constant over the images, so no similarity is defined: {', '.join(constant)}; "
            "leave such layers out with --skip-degenerate"
        )
    return present


def left_out_taps(plans: Sequence[ModelPlan], present: np.ndarray) -> list[str]:
    """List model and tap of those that are not among the ``present`` indices."""
    every = tap_labels(plans, np.arange(sum(len(plan.taps) for plan in plans)))
    gone = sorted(set(range(len(every["tap"]))) - {int(i) for i in present})
    return [f"{every['model'][i]}: {every['tap'][i]}" for i in gone]


def tap_labels(plans: Sequence[ModelPlan], present: np.ndarray) -> dict[str, list[Any]]:
    """Build the coordinates of the ``present`` taps, by name without the suffix of their axis."""
    every = [(plan, tap) for plan in plans for tap in plan.taps]
    rows = [every[int(i)] for i in present]
    return {
        "model": [plan.name for plan, _ in rows],
        "tap": [tap.name for _, tap in rows],
        "depth": [tap.depth for _, tap in rows],
        "trained": [plan.subject.trained for plan, _ in rows],
        "baseline_of": [plan.subject.baseline_of for plan, _ in rows],
    }
