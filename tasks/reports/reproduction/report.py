"""The report of a reproduction: the verdict on every claim, then a section an experiment."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.claims import CLAIMS, tally
from seelike.analysis.claims.relations import Relations
from seelike.storage.reports import write
from seelike.storage.reports.write import Page
from seelike.tasks.reports.comparison import report as of_comparison
from seelike.tasks.reports.elements.lineage import pick_first_figure
from seelike.tasks.reports.elements.prefect_artifacts import show_report
from seelike.tasks.reports.reproduction.experiments import data, experiments
from seelike.tasks.results import ReproductionResult
from seelike.tasks.runtime.retries import RETRIED
from seelike.tasks.runtime.run_log import run_log


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIED)
def write_reproduction(
    found: ReproductionResult,
    *,
    folder: str,
    missing: Mapping[str, str] = of_comparison.NOTHING,
) -> ReproductionResult:
    """Draw and write the report into ``folder``; the reference with its path.

    ``missing`` says why models of the study, by name, are not in it.
    """
    drawn = page(found, missing=missing)
    index = write.write(folder, drawn, store=found.store)
    study = str(found.comparison.open().attrs["study"])
    show_report(drawn, study=f"{study} reproduced", report=index)
    run_log().info(f"report: {index}")
    return replace(found, report=index)


def page(found: ReproductionResult, *, missing: Mapping[str, str] = of_comparison.NOTHING) -> Page:
    """The whole report, as a page to be rendered."""
    dataset = found.comparison.open().load()
    sections = experiments(found)
    verdicts = [check.verdict for section in sections for check in section.checks]
    images = dataset.attrs["images"]
    first, rest = pick_first_figure(sections, of_comparison.FIRST)
    return Page(
        title="Do vision transformers see like convolutional neural networks?",
        lead=(
            f"The experiments of Raghu et al. (2021) on {len(found.available.models)} networks and "
            f"{images['count']} images ({images['source']}). {len(CLAIMS)} claims of the paper, "
            f"put to these networks in {len(verdicts)} ways: {tally(verdicts)}.",
        ),
        first=first,
        sections=rest,
        provenance=tuple(of_comparison.provenance(dataset, name=found.comparison.name)),
        data=tuple(data(found)),
        warnings=tuple(_warnings(found, missing)),
        notes=tuple(of_comparison.verdict_notes(verdicts)),
    )


def _warnings(found: ReproductionResult, missing: Mapping[str, str]) -> Iterator[str]:
    for model, why in missing.items():
        yield f"Model {model!r} of the study is missing here, it failed: {why}."
    if found.unprobed:
        yield f"No layers were probed: {found.unprobed}."
    yield from Relations(found.available.models).doubtful_seeds()
    if not any(facts["trained"] for facts in found.available.models.values()):
        yield "No model of the study is trained: the verdicts are on untrained networks."
