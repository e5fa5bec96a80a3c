"""The flow that looks into a study's models: attention, receptive fields, skip connections."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import cast

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from seelike.analysis.networks.devices import device
from seelike.flows.errors import StudyError
from seelike.flows.run.model_failures import ModelFailures
from seelike.flows.run.study_run import MOST_AT_ONCE, images_of, run_name, subjects_of, survey_all
from seelike.flows.study.study import Study
from seelike.storage.images import ImageSet
from seelike.storage.reports.write import check_folder
from seelike.storage.store import locate, make_store
from seelike.tasks.anatomy.analyze import analyze_model
from seelike.tasks.anatomy.registry import ANALYSES
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.settings import ChosenParts
from seelike.tasks.reports.anatomy.report import write_anatomy
from seelike.tasks.results import AnalysisResult, AnatomyResult
from seelike.tasks.runtime.cancellation import stopping_on_interrupt
from seelike.tasks.runtime.dask_cluster import workers
from seelike.tasks.runtime.run_log import run_log


@flow(
    name="anatomy",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def anatomy(study: Study) -> AnatomyResult:
    """Look into every model of a study by each of its analyses, and write the report.

    What is in the store already is not computed again. A model that lacks a part (a ResNet has no
    attention) is named in the report. One that cannot be loaded or measured fails alone.

    Args:
        study: A ``Study``, a dictionary of its keys, or the path of a study file.

    Returns:
        A reference with ``.open(model, analysis)`` (an xarray Dataset) and ``.report``.

    Raises:
        StudyError: A block or token that the study chose is beyond every model.
        StorageError: The store cannot be used, or what is to be written does not fit.
        Incomplete: Some models failed. The others are complete, in the store and the report.

    Examples:
        >>> import seelike
        >>> study = {
        ...     "name": "first", "store": "store", "report": "reports/first",
        ...     "images": {"source": "sample", "count": 256},
        ...     "models": [{"name": "ViT", "zoo": "vit"}, {"name": "ResNet", "zoo": "resnet"}],
        ... }
        >>> result = seelike.anatomy(study)  # doctest: +SKIP
        >>> result.open("ViT", "attention")["plain"]  # pixels  # doctest: +SKIP
    """
    store = locate(study.store)
    # No reduction is asked of these models, so none may refuse one.
    study = study.model_copy(update={"store": store.url, "reduction": "flatten"})
    folder = anatomy_folder(study)
    check_folder(folder)
    images = images_of(study)
    failures = ModelFailures()
    with stopping_on_interrupt(), workers(study.compute.dask) as dask:
        plans = survey_all(study, images, failures, subjects=_subjects(study))
        names = ", ".join(plan.name for plan in plans)
        run_log().info(f"anatomy of {names} on {len(images)} images; store {study.store}")
        if dask is None:
            device(study.compute.device)
        make_store(study.store)
        found = looked_into(plans, study, images, failures, analyses=study.anatomy, dask=dask)
    written = write_anatomy(
        AnatomyResult(study.store, tuple(found)),
        images=images.describe(),
        folder=folder,
        missing=failures.missing,
    )
    failures.raise_if_any(report=str(written.report))
    _check_chosen(written)
    return written


def _check_chosen(written: AnatomyResult) -> None:
    """``StudyError`` where a block or token of the study is beyond all models that have such.

    One that some models have is told of the others in the report, as a part that they lack.
    """
    for analysis in dict.fromkeys(one.analysis for one in written.found):
        found = [one for one in written.found if one.analysis == analysis]
        beyond = [one.missing_part for one in found if one.out_of_range]
        if beyond and all(one.out_of_range or one.missing_part for one in found):
            raise StudyError(f"{analysis}: {beyond[0]}; the others are in {written.report}")


def anatomy_folder(study: Study) -> str:
    """Where the report goes: below that of `compare`, which stays as it is."""
    return f"{study.report_folder.rstrip('/')}/anatomy"


def _subjects(study: Study) -> list[StudyModel]:
    """The study's networks; where no analysis reads taps, none has to have those of the study."""
    subjects = subjects_of(study)
    if any(ANALYSES[name].reads_taps for name in study.anatomy):
        return subjects
    return [replace(subject, patterns=None) for subject in subjects]


def looked_into(
    plans: list[ModelPlan],
    study: Study,
    images: ImageSet,
    failures: ModelFailures,
    *,
    analyses: Sequence[str],
    dask: str | None,
) -> list[AnalysisResult]:
    """All ``analyses`` of all models, those of one model together."""
    submitted = {
        plan.name: [_submitted(plan, name, study, images, dask=dask) for name in analyses]
        for plan in plans
    }

    def results(futures: list[PrefectFuture[AnalysisResult]]) -> list[AnalysisResult]:
        return [future.result() for future in futures]

    done = failures.wait({name: partial(results, each) for name, each in submitted.items()})
    return [one for plan in failures.remaining(plans) for one in done[plan.name]]


def _submitted(
    plan: ModelPlan, analysis: str, study: Study, images: ImageSet, *, dask: str | None
) -> PrefectFuture[AnalysisResult]:
    tokens = tuple((row, column) for row, column in study.localization_tokens)
    most = study.receptive_field_images if analysis == "receptive_fields" else len(images)
    return analyze_model.submit(
        plan,
        # Quoted: Prefect would otherwise look through every image of the set for futures.
        cast(ImageSet, quote(images)),
        analysis=analysis,
        count=min(most, len(images)),
        store=study.store,
        device=study.compute.device,
        forward_batch=study.compute.forward_batch or 64,
        chosen=ChosenParts(study.head_block, tokens),
        dask=dask,
    )
