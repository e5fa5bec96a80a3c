"""The checks of a reproduction: one a claim, what other models say of it, and what is lacking."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from analysis.claims import CLAIMS
from analysis.claims.needs import Asked
from analysis.claims.settling import unsettled
from analysis.similarity import Estimate
from analysis.similarity.findings import shown
from storage.reports import Check
from tasks.report import listed

# Checks beside the models that they were made on.
OfCast = tuple[Sequence[str], Iterable[Check]]


def told(experiment: str, casts: Iterable[OfCast], asked: Asked) -> tuple[Check, ...]:
    """A check for every claim of ``experiment``: the first there is; further ones are its remark.

    A claim without a check can't be told, and its remark says what would settle it.
    """
    found: dict[str, Check] = {}
    for models, checks in casts:
        own: set[str] = set()
        for check in checks:
            if check.experiment != experiment:
                continue
            first = found.get(check.id)
            # A claim that one cast puts to several models is told apart by what was measured.
            known = () if check.id in own else models
            found[check.id] = check if first is None else again(first, check, known)
            own.add(check.id)
    return tuple(
        with_sibling(found[claim.id], claim.also)
        if claim.id in found
        else Check(
            id=claim.id,
            experiment=experiment,
            claim=claim.sentence,
            measured=(),
            verdict="can't tell",
            remark=unsettled(claim, asked),
        )
        for claim in CLAIMS
        if claim.experiment == experiment
    )


def again(first: Check, other: Check, models: Sequence[str]) -> Check:
    """``first`` with what the claim's ``other`` check says in its remark; ``models`` are its."""
    if other.measured == first.measured:
        return first
    _, difference = other.measured[-1]
    number = ""
    if difference.value is not None:
        number = shown(Estimate(difference.value, difference.low, difference.high))
    where = f"With {listed(list(models))}" if models else other.remark.removesuffix(".")
    line = f"{where}: {other.verdict}, {number}."
    return replace(first, remark=f"{first.remark} {line}")


def with_sibling(check: Check, also: str) -> Check:
    """``check`` with a word on the claim that tests the same sentence by other numbers."""
    if not also:
        return check
    return replace(check, remark=f"{check.remark} {also} puts the same sentence to other numbers.")
