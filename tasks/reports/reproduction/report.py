"""The report of a reproduction: the verdict on every claim, then a section per experiment."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.claims import CLAIMS, tally
from seelike.analysis.claims.relations import Relations
from seelike.storage.reports.write import Page
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.report import FIRST, provenance
from seelike.tasks.reports.elements.keeping import contents, keep_or_draw
from seelike.tasks.reports.elements.page import (
    NO_FAILURES,
    failure_warnings,
    pick_first_figure,
    verdict_notes,
)
from seelike.tasks.reports.reproduction.experiments import experiments
from seelike.tasks.results import ReproductionResult
from seelike.tasks.runtime.retries import RETRIES


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIES)
def write_reproduction(
    found: ReproductionResult,
    *,
    folder: str,
    missing: Mapping[str, str] = NO_FAILURES,
) -> ReproductionResult:
    """Draw the report of a reproduction and write it, unless the same report is there.

    Args:
        found: Comparison, anatomy and probes of the study.
        folder: Where the report goes.
        missing: Models of the study that failed, and why.

    Returns:
        The same reproduction with the path of its report.
    """
    dataset = found.comparison.open()
    parts = (found.comparison, found.fine, found.anatomy, found.probes, found.transfer)
    index = keep_or_draw(
        folder,
        lambda: page(found, ComparisonView(dataset.load()), missing=missing),
        of={
            "parts": [part and contents(part) for part in parts],
            "models": dict(found.available.models),
            "unprobed": found.unprobed,
            "missing": dict(missing),
        },
        store=found.store,
        study=f"{dataset.attrs['study']} reproduced",
    )
    return replace(found, report=index)


def page(
    found: ReproductionResult,
    view: ComparisonView,
    *,
    missing: Mapping[str, str] = NO_FAILURES,
) -> Page:
    """Build the report of a reproduction whose comparison is ``view``."""
    sections = experiments(found, view)
    verdicts = [check.verdict for section in sections for check in section.checks]
    images = view.dataset.attrs["images"]
    first, others = pick_first_figure(sections, FIRST)
    return Page(
        title="Do vision transformers see like convolutional neural networks?",
        lead=(
            f"The experiments of Raghu et al. (2021) on {len(found.available.models)} networks and "
            f"{images['count']} images ({images['source']}).",
            f"{len(CLAIMS)} claims of the paper, tested {len(verdicts)} times on these networks: "
            f"{tally(verdicts)}.",
        ),
        first=first,
        sections=others,
        provenance=tuple(provenance(view.dataset, name=found.comparison.name)),
        warnings=tuple(_warnings(found, missing)),
        notes=tuple(verdict_notes(verdicts)),
    )


def _warnings(found: ReproductionResult, missing: Mapping[str, str]) -> Iterator[str]:
    yield from failure_warnings(missing)
    if found.unprobed:
        yield f"No layers were probed: {found.unprobed}."
    yield from Relations(found.available.models).doubtful_seeds()
    if not any(facts["trained"] for facts in found.available.models.values()):
        yield "No model of the study is trained: the verdicts are about untrained networks."
