"""How much less accurate a network is without the skips of one block (E7)."""

import xarray as xr

from analysis.claims import claim, verdict
from analysis.similarity.proportions import difference
from storage import reports
from storage.reports import Check
from tasks.accuracy import accuracy, tested
from tasks.broken import Broken
from tasks.looked import cell
from tasks.relations import relations


def drop(dataset: xr.Dataset, one: Broken) -> Check | None:
    """Whether the network without skips is less accurate; None where a card says nothing."""
    facts = dataset.attrs["models"]
    whole, less = tested(facts[one.intact]), tested(facts[one.model])
    if whole is None or less is None:
        return None
    apart = difference(whole, less)
    stated = claim("E7-accuracy")
    return Check(
        id=stated.id,
        experiment=stated.experiment,
        claim=stated.sentence,
        measured=(
            (f"of {one.intact}", cell(whole)),
            (f"of {one.model}", cell(less)),
            ("difference", cell(apart)),
        ),
        verdict=verdict(apart),
        remark=f"Test accuracy of {one.model} as on its card; 95 % binomial intervals, Newcombe's "
        "of the difference.",
    )


def drop_words(dataset: xr.Dataset, one: Broken) -> str:
    """How accurate both networks are, in a sentence, and the other seeds of the intact one."""
    row = drop(dataset, one)
    if row is None:
        return ""
    (_, whole), (_, less), (_, apart) = row.measured
    seeds = [
        f"{other} {100 * found.value:.2f} %"
        for other in relations(dataset).others(one.intact)
        if (found := accuracy(dataset, other)) and found.value is not None
    ]
    shown_values = [100 * (number.value or 0) for number in (whole, less)]
    also = f" Another seed of it: {', '.join(seeds)}." if seeds else ""
    return (
        f"{one.intact} gets {shown_values[0]:.2f} % of its test images right, {one.model} "
        f"{shown_values[1]:.2f} %, a difference of {_points(apart)} points.{also}"
    )


def _points(number: reports.Estimate) -> str:
    value, low, high = (100 * getattr(number, name) for name in ("value", "low", "high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]".replace("-", "\N{MINUS SIGN}")
