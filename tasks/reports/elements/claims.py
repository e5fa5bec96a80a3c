"""Claims of a report: cases judged over seeds as checks, and claims that lack their numbers."""

from collections.abc import Iterable, Mapping
from typing import Any

from seelike.analysis.claims import CLAIMS, Claim
from seelike.analysis.claims.evidence import Case, Contrast, Judgement, judge
from seelike.analysis.claims.relations import Relations
from seelike.analysis.claims.requirements import AvailableModels, missing_requirements
from seelike.storage.reports import write
from seelike.storage.reports.write import Check, Numbers
from seelike.tasks.reports.elements.wording import capitalize, join_names

Facts = Mapping[str, Mapping[str, Any]]


def checks(cases: Iterable[Case], facts: Facts) -> tuple[Check, ...]:
    """Judge ``cases``; those of networks that differ in their seed alone make one check.

    Args:
        cases: Claims with the numbers of some networks.
        facts: Facts that a survey found of each network, by name.
    """
    known = Relations(facts)
    weights = {name: str(one["weights"]) for name, one in facts.items()}
    return tuple(map(_check, judge(cases, seed_group=known.seed_group, weights=weights)))


def with_undecided(
    found: Iterable[Check], experiment: str, asked: AvailableModels
) -> tuple[Check, ...]:
    """The checks of ``experiment`` in the catalogue's order; claims without one are added.

    Such a claim is undecided, and its remark says what would decide it.
    """
    own: dict[str, list[Check]] = {}
    for one in found:
        own.setdefault(one.id, []).append(one)
    return tuple(
        one
        for claim in CLAIMS
        if claim.experiment == experiment
        for one in own.get(claim.id, [_undecided(claim, asked)])
    )


def _check(judgement: Judgement) -> Check:
    claim = judgement.claim
    return Check(
        id=claim.id,
        experiment=claim.experiment,
        claim=claim.sentence,
        verdict=judgement.verdict,
        cases=tuple(map(_case, judgement.cases)),
        seeds=judgement.seeds,
        least=_least_sentence(claim),
    )


def _undecided(claim: Claim, asked: AvailableModels) -> Check:
    return Check(
        id=claim.id,
        experiment=claim.experiment,
        claim=claim.sentence,
        verdict="can't tell",
        least=_least_sentence(claim),
        remark=missing_requirements(claim.requirements, asked),
    )


def _least_sentence(claim: Claim) -> str:
    """The smallest difference that matters to a claim, and why."""
    return f"Smallest difference that matters: {claim.least:g} {claim.unit} ({claim.reason})."


def _case(case: Case) -> write.Case:
    return write.Case(
        networks=join_names(case.networks),
        verdict=case.verdict,
        numbers=tuple(map(_numbers, case.contrasts)),
        settle=case.remedy,
    )


def _numbers(one: Contrast) -> Numbers:
    return Numbers(
        measure=capitalize(one.measure),
        sides=(one.first, one.second),
        trained=one.difference,
        untrained=one.untrained,
        learned=one.learned,
    )
