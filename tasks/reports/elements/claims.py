"""The claims of a report: cases judged over seeds, as the report's checks, and what is lacking."""

from collections.abc import Iterable, Mapping
from typing import Any

from seelike.analysis.claims import CLAIMS, Claim
from seelike.analysis.claims.evidence import Case, Contrast, Judgement, judge
from seelike.analysis.claims.relations import Relations
from seelike.analysis.claims.requirements import AvailableModels, missing_requirements
from seelike.analysis.similarity import Estimate
from seelike.storage.reports import write
from seelike.storage.reports.write import Check, Numbers

Facts = Mapping[str, Mapping[str, Any]]


def checks(cases: Iterable[Case], facts: Facts) -> tuple[Check, ...]:
    """The checks of all ``cases``: those of networks that differ in their seed alone as one.

    ``facts`` are what a survey found of each network.
    """
    known = Relations(facts)
    weights = {name: str(one["weights"]) for name, one in facts.items()}
    return tuple(map(check, judge(cases, seed_group=known.seed_group, weights=weights)))


def check(judgement: Judgement) -> Check:
    """One row of the table of claims."""
    claim = judgement.claim
    return Check(
        id=claim.id,
        experiment=claim.experiment,
        claim=claim.sentence,
        verdict=judgement.verdict,
        cases=tuple(map(_case, judgement.cases)),
        seeds=judgement.seeds,
        least=least_words(claim),
    )


def least_words(claim: Claim) -> str:
    """The smallest difference that matters to a claim, and why."""
    return f"Smallest difference that matters: {claim.least:g} {claim.unit} ({claim.reason})."


def with_lacking(
    found: Iterable[Check], experiment: str, asked: AvailableModels
) -> tuple[Check, ...]:
    """The checks of ``experiment`` in the catalogue's order; a claim without one can't be told.

    Its remark says what would settle it.
    """
    own: dict[str, list[Check]] = {}
    for one in found:
        own.setdefault(one.id, []).append(one)
    return tuple(
        one
        for claim in CLAIMS
        if claim.experiment == experiment
        for one in own.get(claim.id, [_lacking(claim, asked)])
    )


def _lacking(claim: Claim, asked: AvailableModels) -> Check:
    return Check(
        id=claim.id,
        experiment=claim.experiment,
        claim=claim.sentence,
        verdict="can't tell",
        least=least_words(claim),
        remark=missing_requirements(claim.requirements, asked),
    )


def _case(case: Case) -> write.Case:
    return write.Case(
        networks=listed(case.networks),
        verdict=case.verdict,
        numbers=tuple(map(_numbers, case.contrasts)),
        settle=case.remedy,
    )


def _numbers(one: Contrast) -> Numbers:
    (above, first), (below, second) = one.first, one.second
    return Numbers(
        measure=one.measure[0].upper() + one.measure[1:],
        sides=((above, cell(first)), (below, cell(second))),
        trained=cell(one.difference),
        untrained=None if one.untrained is None else cell(one.untrained),
        learned=None if one.learned is None else cell(one.learned),
    )


def cell(number: Estimate) -> write.Estimate:
    """A number as tables and checks take it."""
    return write.Estimate(number.value, number.low, number.high)


def listed(names: Iterable[str]) -> str:
    """``names`` as a sentence lists them: ``a``, ``a and b``, ``a, b and c``."""
    each = list(names)
    return " and ".join([", ".join(each[:-1]), each[-1]] if len(each) > 1 else each)
