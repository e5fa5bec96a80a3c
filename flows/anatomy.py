"""The flow that looks into a study's models: attention, receptive fields, skip connections."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import cast

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from analysis.networks.devices import device
from flows.branches import Branches
from flows.errors import StudyError
from flows.steps import MOST_AT_ONCE, images_of, run_name, subjects_of, survey_all
from flows.study import Study
from storage.images import ImageSet
from storage.reports import check_folder
from storage.store import locate, make_store
from tasks.analyses import ANALYSES
from tasks.anatomy import look_into
from tasks.anatomy_report import write_anatomy
from tasks.cluster import workers
from tasks.plans import ModelPlan, Subject
from tasks.references import AnatomyReference, Chosen, Found
from tasks.run_log import run_log
from tasks.stopping import stopping_on_interrupt


@flow(
    name="anatomy",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def anatomy(study: Study) -> AnatomyReference:
    """Look into every model of ``study`` by each of its ``anatomy``, and write the report.

    ``study`` may be a Study, a dictionary of its keys, or the path of a study file. What is in
    the store already is not computed again. Returns a reference with ``.open(model, analysis)``
    (an xarray Dataset) and ``.report``. A model that lacks a part is told in the report. One
    that can't be loaded or measured fails alone: the others go on, and then ``Incomplete`` is
    raised, which says what is missing and why; ``StudyError`` where a block or token that was
    chosen is beyond every model.
    """
    store = locate(study.store)
    # No reduction is asked of these models, so none may refuse one.
    study = study.model_copy(update={"store": store.url, "reduction": "flatten"})
    folder = anatomy_folder(study)
    check_folder(folder)
    images = images_of(study)
    branches = Branches()
    with stopping_on_interrupt(), workers(study.compute.dask) as dask:
        plans = survey_all(study, images, branches, subjects=_subjects(study))
        names = ", ".join(plan.name for plan in plans)
        run_log().info(f"anatomy of {names} on {len(images)} images; store {study.store}")
        if dask is None:
            device(study.compute.device)
        make_store(study.store)
        found = looked_into(plans, study, images, branches, analyses=study.anatomy, dask=dask)
    written = write_anatomy(
        AnatomyReference(study.store, tuple(found)),
        images=images.describe(),
        folder=folder,
        missing=branches.missing,
    )
    branches.close(report=str(written.report))
    _check_chosen(written)
    return written


def _check_chosen(written: AnatomyReference) -> None:
    """``StudyError`` where a block or token of the study is beyond all models that have such.

    One that some models have is told of the others in the report, as a part that they lack.
    """
    for analysis in dict.fromkeys(one.analysis for one in written.found):
        found = [one for one in written.found if one.analysis == analysis]
        beyond = [one.lacks for one in found if one.beyond]
        if beyond and all(one.beyond or one.lacks for one in found):
            raise StudyError(f"{analysis}: {beyond[0]}; the others are in {written.report}")


def anatomy_folder(study: Study) -> str:
    """Where the report goes: below that of `compare`, which stays as it is."""
    return f"{study.report_folder.rstrip('/')}/anatomy"


def _subjects(study: Study) -> list[Subject]:
    """The study's networks; where no analysis reads taps, none has to have those of the study."""
    subjects = subjects_of(study)
    if any(ANALYSES[name].reads_taps for name in study.anatomy):
        return subjects
    return [replace(subject, patterns=None) for subject in subjects]


def looked_into(
    plans: list[ModelPlan],
    study: Study,
    images: ImageSet,
    branches: Branches,
    *,
    analyses: Sequence[str],
    dask: str | None,
) -> list[Found]:
    """All ``analyses`` of all models, those of one model together."""
    submitted = {
        plan.name: [_submitted(plan, name, study, images, dask=dask) for name in analyses]
        for plan in plans
    }

    def results(futures: list[PrefectFuture[Found]]) -> list[Found]:
        return [future.result() for future in futures]

    done = branches.wait({name: partial(results, each) for name, each in submitted.items()})
    return [one for plan in branches.left(plans) for one in done[plan.name]]


def _submitted(
    plan: ModelPlan, analysis: str, study: Study, images: ImageSet, *, dask: str | None
) -> PrefectFuture[Found]:
    tokens = tuple((row, column) for row, column in study.localization_tokens)
    most = study.receptive_field_images if analysis == "receptive_fields" else len(images)
    return look_into.submit(
        plan,
        # Quoted: Prefect would otherwise look through every image of the set for futures.
        cast(ImageSet, quote(images)),
        analysis=analysis,
        count=min(most, len(images)),
        store=study.store,
        device=study.compute.device,
        forward_batch=study.compute.forward_batch or 64,
        chosen=Chosen(study.head_block, tokens),
        dask=dask,
    )
