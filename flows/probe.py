"""The flow that probes a study's models: how well linear classifiers do on what taps hold."""

from dataclasses import replace
from functools import partial

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from seelike.analysis.networks.devices import device
from seelike.flows.errors import StudyError
from seelike.flows.run.model_failures import ModelFailures, results
from seelike.flows.run.study_run import (
    MOST_AT_ONCE,
    images_of,
    prefect_quote,
    recorded,
    run_name,
    survey_all,
)
from seelike.flows.study.study import Study
from seelike.storage.arrays import xarray_datasets
from seelike.storage.images import ImageSet
from seelike.storage.reports.write import check_folder
from seelike.storage.store import Store, locate, make_store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.resources import check_space
from seelike.tasks.probing import ANALYSIS, probe_model, probes_name, split_of
from seelike.tasks.reports.probing.report import write_probes
from seelike.tasks.results import AnalysisResult, ProbesResult
from seelike.tasks.runtime.cancellation import stopping_on_interrupt
from seelike.tasks.runtime.dask_cluster import workers
from seelike.tasks.runtime.run_log import run_log


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
    store = locate(study.store)
    # Probes reduce what is recorded themselves.
    study = study.model_copy(update={"store": store.url, "reduction": "flatten"})
    folder = probe_folder(study)
    check_folder(folder)
    images = images_of(study)
    split_of(images, study.probing)
    failures = ModelFailures()
    with stopping_on_interrupt(), workers(study.compute.dask) as dask:
        plans = survey_all(study, images, failures)
        names = ", ".join(plan.name for plan in plans)
        run_log().info(f"probes of {names} on {len(images)} images; store {study.store}")
        if dask is None:
            device(study.compute.device)
        found = probed(plans, study, images, failures, dask=dask)
    written = write_probes(
        ProbesResult(study.store, tuple(found)),
        images=images.describe(),
        folder=folder,
        missing=failures.missing,
    )
    failures.raise_if_any(report=str(written.report))
    return written


def probe_folder(study: Study) -> str:
    """Where the report goes: below that of `compare`, which stays as it is."""
    return f"{study.report_folder.rstrip('/')}/probe"


def probed(
    plans: list[ModelPlan],
    study: Study,
    images: ImageSet,
    failures: ModelFailures,
    *,
    dask: str | None,
) -> list[AnalysisResult]:
    """Record and probe every model; each is probed while the next ones are recorded.

    What is in the store is not done again. Raises ``StorageError`` where recordings do not fit.
    """
    store = locate(study.store)
    left = _left(plans, study, images, store)
    check_space(left, store=store, keep="activations")
    make_store(study.store)
    # Probes read activations, whatever other flows of the study keep.
    study = study.model_copy(update={"keep": "activations"})
    shards = {plan.name: recorded(plan, study, images, dask=dask) for plan in left}

    def probing(plan: ModelPlan) -> PrefectFuture[AnalysisResult]:
        return probe_model.submit(
            plan,
            prefect_quote(images),
            design=study.probing,
            store=study.store,
            memory=int(study.compute.memory * 1e9),
            # Waited for here, so that a fault of a recording is what fails the branch.
            recorded=[future.result() for future in shards.get(plan.name, [])],
            dask=dask,
        )

    submitted = failures.wait({plan.name: partial(probing, plan) for plan in plans})
    going = {plan.name: submitted[plan.name] for plan in failures.remaining(plans)}
    done = failures.wait({name: results(future) for name, future in going.items()})
    return [done[plan.name] for plan in failures.remaining(plans)]


def _left(plans: list[ModelPlan], study: Study, images: ImageSet, store: Store) -> list[ModelPlan]:
    """Those whose probes are not in the store: their recordings are needed, signed or not."""
    return [
        replace(plan, reads_activations=True)
        for plan in plans
        if not xarray_datasets.exists(
            store, probes_name(plan, images, study.probing), kind=ANALYSIS
        )
    ]
