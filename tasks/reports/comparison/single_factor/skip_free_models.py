"""Networks of a comparison that lack the skip connections of one block, and CKA across it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from seelike.analysis.claims import matrix_statistics as structure
from seelike.analysis.claims.findings import ComparedModels, Number, Side
from seelike.analysis.claims.relations import relations
from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import Estimate
from seelike.tasks.reports.comparison.single_factor.paired_layers import corresponding


@dataclass(frozen=True)
class SkipFreeModel:
    """A ``model`` without the skips of ``block``, its ``intact`` twin, and where the block lies.

    The first ``below`` taps are below the block, those from ``above`` on above it.
    """

    model: str
    intact: str
    block: int
    below: int
    above: int

    def number(self, of: Callable[..., float]) -> Number:
        """A number ``of`` a network's CKA matrix and the place of the block."""
        return partial(of, below=self.below, above=self.above)


def skip_free_models(dataset: xr.Dataset, measured: ComparedModels) -> list[SkipFreeModel]:
    """The networks without skips whose intact twin is there, with taps below and above."""
    known = relations(dataset)
    found = []
    for model in measured.families:
        intact = known.intact(model) if model in known.facts else None
        if intact is None or not corresponding(dataset, measured, (model, intact)):
            continue
        block = int(dataset.attrs["models"][model]["skip_free"])
        taps = dataset["tap_a"].values[np.asarray(measured.model) == model]
        place = sides([str(tap) for tap in taps], block=block)
        if place is not None:
            found.append(SkipFreeModel(model, intact, block, *place))
    return found


def sides(taps: list[str], *, block: int) -> tuple[int, int] | None:
    """How many ``taps`` are below a block, and from which one on they are above it.

    Those inside the block are neither. None where no tap is of the block, or none on one side.
    """
    name = f"blocks.{block}"
    inner = (f"{name}.", f"{name}:")
    own = [i for i, tap in enumerate(taps) if tap == name or tap.startswith(inner)]
    if not own:
        return None
    # Its output comes last, and is above it.
    above = own[-1] if taps[own[-1]] == name else own[-1] + 1
    return (own[0], above) if own[0] and above < len(taps) else None


def rows_of(measured: ComparedModels, one: SkipFreeModel) -> list[str]:
    """The network without skips, the intact one, and both before their training."""
    trained = [one.model, one.intact]
    return trained + [measured.baselines[model] for model in trained if model in measured.baselines]


def cka_across_block(measured: ComparedModels, one: SkipFreeModel, model: str) -> Estimate:
    """Mean CKA of ``model``'s layers below the block with those above it."""
    return measured.estimate(Side("", model, model, one.number(structure.across_block)))


def cka_beside_block(measured: ComparedModels, one: SkipFreeModel, model: str) -> Estimate | None:
    """Mean CKA of ``model``'s layers on one side of the block; None where neither has two."""
    try:
        return measured.estimate(Side("", model, model, one.number(structure.beside_block)))
    except AnalysisError:
        return None
