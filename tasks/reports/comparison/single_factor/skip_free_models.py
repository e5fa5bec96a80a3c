"""Networks without the skip connections of one block, and CKA across that block."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from seelike.analysis.claims import matrix_statistics as structure
from seelike.analysis.claims.findings import Number, Side
from seelike.analysis.similarity import Estimate
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.single_factor.paired_layers import corresponding


@dataclass(frozen=True)
class SkipFreeModel:
    """A ``model`` without the skips of ``block``, and its ``intact`` counterpart.

    The first ``below`` layers lie below the block, those from index ``above`` on above it.
    """

    model: str
    intact: str
    block: int
    below: int
    above: int

    def number(self, of: Callable[..., float]) -> Number:
        """A statistic of a CKA matrix, ``of``, with the place of the block filled in."""
        return partial(of, below=self.below, above=self.above)


def skip_free_models(view: ComparisonView) -> list[SkipFreeModel]:
    """Networks without skips whose intact counterpart is there, with layers below and above."""
    known = view.relations
    found = []
    for model in view.models:
        intact = known.intact(model) if model in known.facts else None
        if intact is None or not corresponding(view, (model, intact)):
            continue
        block = int(view.dataset.attrs["models"][model]["skip_free"])
        place = sides(view.layers(model), block=block)
        if place is not None:
            found.append(SkipFreeModel(model, intact, block, *place))
    return found


def sides(taps: list[str], *, block: int) -> tuple[int, int] | None:
    """Place of a block among the layers of a network.

    Args:
        taps: Names of the layers, in forward order.
        block: Number of the block.

    Returns:
        How many layers lie below the block, and the index of the first one above it; layers
        inside it are neither. None where no layer is of the block, or none on one side.
    """
    name = f"blocks.{block}"
    inner = (f"{name}.", f"{name}:")
    own = [i for i, tap in enumerate(taps) if tap == name or tap.startswith(inner)]
    if not own:
        return None
    # Its output comes last, and is above it.
    above = own[-1] if taps[own[-1]] == name else own[-1] + 1
    return (own[0], above) if own[0] and above < len(taps) else None


@dataclass(frozen=True)
class BlockNumbers:
    """Mean CKA of a network's layers across a block and on one side of it.

    ``beside`` is None where neither side has two layers.
    """

    block: int
    model: str
    across: Estimate
    beside: Estimate | None


def block_numbers(view: ComparisonView, one: SkipFreeModel) -> list[BlockNumbers]:
    """Numbers of the network without skips, the intact one, and both untrained baselines."""
    measured = view.measured

    def mean_cka(model: str, of: Callable[..., float]) -> Estimate:
        return measured.estimate(Side("", model, model, one.number(of)))

    trained = [one.model, one.intact]
    # On one side of a block there are two layers, or there is nothing to average.
    beside = max(one.below, len(view.layers(one.model)) - one.above) > 1
    return [
        BlockNumbers(
            one.block,
            model,
            mean_cka(model, structure.across_block),
            mean_cka(model, structure.beside_block) if beside else None,
        )
        for model in [*trained, *view.baselines_of(trained)]
    ]
