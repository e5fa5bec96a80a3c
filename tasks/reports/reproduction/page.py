"""The page of a reproduction: the verdict on every claim, then a section per experiment."""

from collections.abc import Iterator, Mapping

from seelike.analysis.claims import CLAIMS, tally
from seelike.analysis.claims.relations import Relations
from seelike.storage.reports.write import Page
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.page import FIRST, provenance
from seelike.tasks.reports.elements.page import (
    NO_FAILURES,
    failure_warnings,
    pick_first_figure,
    verdict_notes,
)
from seelike.tasks.reports.reproduction.experiments import experiments
from seelike.tasks.results import ReproductionResult


def build_page(
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
