"""How much less accurate a network is without the skips of one block (E7)."""

import xarray as xr

from seelike.analysis.claims import claim
from seelike.analysis.claims.evidence import Case, Contrast
from seelike.analysis.claims.relations import relations
from seelike.analysis.similarity import Estimate
from seelike.analysis.similarity.intervals.proportions import difference
from seelike.tasks.reports.comparison.single_factor.card_accuracy import accuracy, tested
from seelike.tasks.reports.comparison.single_factor.skip_free_models import SkipFreeModel


def drop(dataset: xr.Dataset, one: SkipFreeModel) -> Case | None:
    """Whether the network without skips is less accurate; None where a card says nothing."""
    facts = dataset.attrs["models"]
    whole, less = tested(facts[one.intact]), tested(facts[one.model])
    if whole is None or less is None:
        return None
    apart = Contrast(
        f"test accuracy of {one.model} as on its card, block {one.block}; 95 % binomial intervals, "
        "Newcombe's of the difference",
        (f"of {one.intact}", whole),
        (f"of {one.model}", less),
        difference(whole, less),
        claim("E7-accuracy").least,
    )
    return Case("E7-accuracy", (one.model, one.intact), (apart,))


def drop_words(dataset: xr.Dataset, one: SkipFreeModel) -> str:
    """How accurate both networks are, in a sentence, and the other seeds of the intact one."""
    row = drop(dataset, one)
    if row is None:
        return ""
    apart = row.contrasts[0]
    seeds = [
        f"{other} {100 * found.value:.2f} %"
        for other in relations(dataset).other_seeds(one.intact)
        if (found := accuracy(dataset, other)) and found.value is not None
    ]
    shown_values = [100 * number.value for _, number in (apart.first, apart.second)]
    also = f" Another seed of it: {', '.join(seeds)}." if seeds else ""
    return (
        f"{one.intact} gets {shown_values[0]:.2f} % of its test images right, {one.model} "
        f"{shown_values[1]:.2f} %, a difference of {_points(apart.difference)} points.{also}"
    )


def _points(number: Estimate) -> str:
    value, low, high = (100 * getattr(number, name) for name in ("value", "low", "high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]".replace("-", "\N{MINUS SIGN}")
