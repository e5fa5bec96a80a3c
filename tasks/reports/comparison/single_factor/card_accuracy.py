"""How accurate a model of a comparison is, as its card says: a share with its interval."""

from typing import Any

import xarray as xr

from seelike.analysis.similarity import Estimate
from seelike.analysis.similarity.intervals.proportions import share
from seelike.storage.reports import write
from seelike.tasks.reports.elements.claims import cell


def tested(facts: dict[str, Any]) -> Estimate | None:
    """The share of test images that a network got right; None where no card says it."""
    test = facts.get("test")
    return None if test is None else share(test["correct"], test["total"])


def accuracy(dataset: xr.Dataset, model: str) -> write.Estimate | None:
    """The same of a ``model`` of a comparison, as tables show it."""
    found = tested(dataset.attrs["models"][model])
    return None if found is None else cell(found)
