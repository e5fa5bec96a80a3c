"""The report of a reproduction: the verdict on every claim, then a section an experiment."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from analysis.claims import CLAIMS, tally
from analysis.claims.relations import Relations
from storage import reports
from storage.reports import Page
from tasks import report as of_comparison
from tasks.artifacts import show_report
from tasks.experiments import data, experiments
from tasks.frame import foremost
from tasks.reproduced import ReproductionReference
from tasks.retries import RETRIED
from tasks.run_log import run_log


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIED)
def write_reproduction(
    found: ReproductionReference,
    *,
    folder: str,
    missing: Mapping[str, str] = of_comparison.NOTHING,
) -> ReproductionReference:
    """Draw and write the report into ``folder``; the reference with its path.

    ``missing`` says why models of the study, by name, are not in it.
    """
    drawn = page(found, missing=missing)
    index = reports.write(folder, drawn, store=found.store)
    study = str(found.comparison.open().attrs["study"])
    show_report(drawn, study=f"{study} reproduced", report=index)
    run_log().info(f"report: {index}")
    return replace(found, report=index)


def page(
    found: ReproductionReference, *, missing: Mapping[str, str] = of_comparison.NOTHING
) -> Page:
    """The whole report, as a page to be rendered."""
    dataset = found.comparison.open().load()
    sections = experiments(found)
    verdicts = [check.verdict for section in sections for check in section.checks]
    images = dataset.attrs["images"]
    first, rest = foremost(sections, of_comparison.FIRST)
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


def _warnings(found: ReproductionReference, missing: Mapping[str, str]) -> Iterator[str]:
    for model, why in missing.items():
        yield f"Model {model!r} of the study is missing here, it failed: {why}."
    if found.unprobed:
        yield f"No layers were probed: {found.unprobed}."
    yield from Relations(found.available.models).doubtful_seeds()
    if not any(facts["trained"] for facts in found.available.models.values()):
        yield "No model of the study is trained: the verdicts are on untrained networks."
