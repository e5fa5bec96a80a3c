"""Whether comparing fits into memory, known from the plans before anything is recorded."""

import math
from collections.abc import Sequence

import psutil

from analysis.cores import cores
from analysis.errors import AnalysisError
from analysis.similarity import exact
from analysis.similarity.blocks import layout
from analysis.similarity.measures import ExactMeasure, measure
from analysis.similarity.shuffledblocks import Shuffles
from tasks.plans import ModelPlan
from tasks.references import Statistics
from tasks.survey import megabytes

# Of each batch's all pairs: cosines, weights and what they make, in float32 and float64.
BYTES_A_PAIR = 24


def check_memory(
    plans: Sequence[ModelPlan], *, names: Sequence[str], statistics: Statistics
) -> None:
    """Refuse measures ``names`` of all pairs at once that memory has no room for.

    Raises ``AnalysisError`` with both numbers and the remedy.
    """
    _check_pairs(plans)
    features = [math.prod(tap.shape) for plan in plans for tap in plan.taps]
    for name in names:
        chosen = measure(name)
        if isinstance(chosen, ExactMeasure):
            exact.plan(
                layout(plans[0].bounds, features, workers=cores()),
                kernel=chosen.kernel,
                width=chosen.width,
                memory=statistics.memory,
                shuffles=Shuffles(statistics.shuffles(chosen), 0),
            )


def _check_pairs(plans: Sequence[ModelPlan]) -> None:
    taps, batches = sum(len(plan.taps) for plan in plans), len(plans[0].bounds)
    needed = BYTES_A_PAIR * batches * taps**2
    free = psutil.virtual_memory().available
    if needed > free:
        raise AnalysisError(
            f"all pairs of {taps} taps in {batches} batches at once take {megabytes(needed)} of "
            f"memory, {megabytes(free)} are free; compare them in blocks with `seelike map`, or "
            "take fewer models, taps or batches"
        )
