"""The flow that probes a study's models: accuracy of linear classifiers on their layers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from seelike.flows.errors import StudyError
from seelike.flows.run.opened_study import open_study
from seelike.flows.run.study_run import MOST_AT_ONCE, StudyRun, run_name, running
from seelike.flows.study.study import Study
from seelike.storage.arrays import xarray_datasets
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.probing import ANALYSIS, probe_model, probes_name, split_of
from seelike.tasks.reports.probing.report import write_probes
from seelike.tasks.results import ProbesResult
from seelike.tasks.step_results import AnalysisResult


@flow(
    name="probe",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def probe(study: Study) -> ProbesResult:
    """Record every model of a study, probe all its layers linearly, and write the report.

    What is in the store already is not computed again. A model that cannot be loaded, recorded or
    probed fails alone.

    Args:
        study: A ``Study``, a dictionary of its keys, or the path of a study file.

    Returns:
        A reference with ``.open(model)`` (an xarray Dataset: ``accuracy``, ``accuracy_low``,
        ``accuracy_high`` over ``probe``) and ``.report``.

    Raises:
        StudyError: Images have no labels, or too few per class for the shots asked
            for; nothing was recorded.
        StorageError: The store cannot be used, or what is to be written does not fit.
        Incomplete: Some models failed. The others are complete, in the store and the report.

    Examples:
        >>> import seelike
        >>> study = {
        ...     "name": "first", "store": "store", "report": "reports/first",
        ...     "images": {"source": "sample", "count": 256},
        ...     "models": [{"name": "ViT", "zoo": "vit"}, {"name": "ResNet", "zoo": "resnet"}],
        ... }
        >>> result = seelike.probe(study)  # doctest: +SKIP
        >>> result.open("ViT")["accuracy"]  # doctest: +SKIP
    """
    if study.keep != "activations":
        raise StudyError(
            f"probes read activations, which keep: {study.keep} does not keep; set keep: "
            "activations, or leave it out"
        )
    folder = probe_folder(study)
    opened = open_study(study.for_probes(), report=folder)
    split_of(opened.images, study.probing)
    with running(opened) as run:
        plans = run.survey()
        run.log_start(plans)
        found = probe_models(run, plans)
    written = write_probes(
        ProbesResult(run.store.url, tuple(found)),
        images=run.images.describe(),
        folder=folder,
        missing=run.failures.missing,
    )
    run.failures.raise_if_any(report=str(written.report))
    return written


def probe_folder(study: Study) -> str:
    """Folder of the report: below that of `compare`, which stays as it is."""
    return f"{study.report_folder.rstrip('/')}/probe"


def probe_models(run: StudyRun, plans: Sequence[ModelPlan]) -> list[AnalysisResult]:
    """Record and probe some models; each is probed while the next ones are recorded.

    Args:
        run: The run of the study, as seen ``for_probes``.
        plans: The models. Those whose probes are in the store are not recorded.

    Returns:
        The probes of the models that did not fail.

    Raises:
        StorageError: Recordings do not fit into the store.
    """
    missing = _without_probes(run, plans)
    run.check_space(missing)
    run.start()
    recordings = {plan.name: run.record(plan) for plan in missing}
    return run.failures.gather(plans, partial(_submit, run, recordings))


def _without_probes(run: StudyRun, plans: Sequence[ModelPlan]) -> list[ModelPlan]:
    """The models without probes in the store: their recordings are needed, signed or not."""
    design = run.study.probing
    return [
        replace(plan, reads_activations=True)
        for plan in plans
        if not xarray_datasets.exists(
            run.store, probes_name(plan, run.images, design), kind=ANALYSIS
        )
    ]


def _submit(
    run: StudyRun, recordings: Mapping[str, list[PrefectFuture[int]]], plan: ModelPlan
) -> PrefectFuture[AnalysisResult]:
    return probe_model.submit(
        plan,
        run.quoted_images,
        design=run.study.probing,
        store=run.store.url,
        memory=run.study.compute.memory_bytes,
        # Waited for here, so that the model fails with the exception of its recording.
        recorded=[future.result() for future in recordings.get(plan.name, [])],
        dask=run.dask,
    )
