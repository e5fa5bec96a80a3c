"""The flow that probes a study's models: how well linear classifiers do on what taps hold."""

from dataclasses import replace
from functools import partial

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from analysis.networks.devices import device
from flows.branches import Branches, results
from flows.errors import StudyError
from flows.steps import MOST_AT_ONCE, images_of, recorded, run_name, survey_all, unseen
from flows.study import Study
from storage import comparisons
from storage.images import ImageSet
from storage.reports import check_folder
from storage.store import Store, locate, make_store
from tasks.cluster import workers
from tasks.plans import ModelPlan
from tasks.probe_report import write_probes
from tasks.probed import ANALYSIS, probe_model, probes_name, split_of
from tasks.references import Found, ProbesReference
from tasks.run_log import run_log
from tasks.stopping import stopping_on_interrupt
from tasks.survey import check_space


@flow(
    name="probe",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def probe(study: Study) -> ProbesReference:
    """Record every model of ``study``, probe all its taps, and write the report.

    ``study`` may be a Study, a dictionary of its keys, or the path of a study file. What is in
    the store already is not computed again. Returns a reference with ``.open(model)`` (an xarray
    Dataset) and ``.report``. Images without labels, of one class, or too few a class for the
    shots asked for are refused before anything is recorded. A model that can't be loaded,
    recorded or probed fails alone: the others go on, and then ``Incomplete`` is raised, which
    says what is missing and why.
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
    branches = Branches()
    with stopping_on_interrupt(), workers(study.compute.dask) as dask:
        plans = survey_all(study, images, branches)
        names = ", ".join(plan.name for plan in plans)
        run_log().info(f"probes of {names} on {len(images)} images; store {study.store}")
        if dask is None:
            device(study.compute.device)
        found = probed(plans, study, images, branches, dask=dask)
    written = write_probes(
        ProbesReference(study.store, tuple(found)),
        images=images.describe(),
        folder=folder,
        missing=branches.missing,
    )
    branches.close(report=str(written.report))
    return written


def probe_folder(study: Study) -> str:
    """Where the report goes: below that of `compare`, which stays as it is."""
    return f"{study.report_folder.rstrip('/')}/probe"


def probed(
    plans: list[ModelPlan],
    study: Study,
    images: ImageSet,
    branches: Branches,
    *,
    dask: str | None,
) -> list[Found]:
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

    def probing(plan: ModelPlan) -> PrefectFuture[Found]:
        return probe_model.submit(
            plan,
            unseen(images),
            design=study.probing,
            store=study.store,
            memory=int(study.compute.memory * 1e9),
            # Waited for here, so that a fault of a recording is what fails the branch.
            recorded=[future.result() for future in shards.get(plan.name, [])],
            dask=dask,
        )

    submitted = branches.wait({plan.name: partial(probing, plan) for plan in plans})
    going = {plan.name: submitted[plan.name] for plan in branches.left(plans)}
    done = branches.wait({name: results(future) for name, future in going.items()})
    return [done[plan.name] for plan in branches.left(plans)]


def _left(plans: list[ModelPlan], study: Study, images: ImageSet, store: Store) -> list[ModelPlan]:
    """Those whose probes are not in the store: their recordings are needed, signed or not."""
    return [
        replace(plan, reads_activations=True)
        for plan in plans
        if not comparisons.exists(store, probes_name(plan, images, study.probing), kind=ANALYSIS)
    ]
