"""The flow that compares every pair of layers of a study's models."""

import sys
from functools import partial

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from seelike.analysis.networks.devices import device
from seelike.flows.run.model_failures import ModelFailures, results
from seelike.flows.run.study_run import (
    MOST_AT_ONCE,
    check_comparable,
    images_of,
    prefect_quote,
    provenance,
    recorded,
    run_name,
    subjects_of,
    survey_all,
    surveyed,
)
from seelike.flows.study.study import Study
from seelike.storage.images import ImageSet
from seelike.storage.reports.write import check_folder
from seelike.storage.store import locate, make_store
from seelike.tasks.comparison.batch_size_sweep import sweep
from seelike.tasks.comparison.compare import compare_measure, comparison_name, join_measures
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.resources import check_memory, check_space
from seelike.tasks.recording.sign_recording import sign_recording
from seelike.tasks.reports.comparison.report import write_report
from seelike.tasks.results import ComparisonResult, SignaturesResult
from seelike.tasks.runtime.cancellation import stopping_on_interrupt
from seelike.tasks.runtime.dask_cluster import dashboard, workers
from seelike.tasks.runtime.run_log import run_log


@flow(
    name="compare",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def compare(study: Study) -> ComparisonResult:
    """Record every model of a study, compare all pairs of layers, and write the report.

    What is in the store already is not computed again. A model that cannot be loaded or recorded
    fails alone; the others are compared.

    Args:
        study: A ``Study``, a dictionary of its keys, or the path of a study file.

    Returns:
        A reference with ``.open()`` (an xarray Dataset: ``cka``, ``cka_low``, ``cka_high`` over
        ``tap_a`` and ``tap_b``), ``.url`` (its Zarr group) and ``.report`` (the page's path).

    Raises:
        StudyError: The study contradicts itself; the message names the key and the remedy.
        StorageError: The store cannot be used, or what is to be written does not fit.
        Incomplete: Some models failed. The others are complete, in the store and the report.

    Examples:
        >>> import seelike
        >>> study = {
        ...     "name": "first", "store": "store", "report": "reports/first",
        ...     "images": {"source": "sample", "count": 256},
        ...     "models": [{"name": "ViT", "zoo": "vit"}, {"name": "ResNet", "zoo": "resnet"}],
        ... }
        >>> result = seelike.compare(study)  # doctest: +SKIP
        >>> result.open()["cka"].max()  # doctest: +SKIP
    """
    check_comparable(study)
    store = locate(study.store)
    # Workers may run in another folder.
    study = study.model_copy(update={"store": store.url})
    check_folder(study.report_folder)
    images = images_of(study)
    failures = ModelFailures()
    with stopping_on_interrupt(), workers(study.compute.dask) as dask:
        plans = survey_all(study, images, failures)
        _say(study, plans, images, dask)
        check_space(plans, store=store, keep=study.keep)
        check_memory(plans, names=study.measures, statistics=study.statistics)
        if dask is None:
            device(study.compute.device)
        make_store(study.store)
        comparison = compared(plans, study, images, failures, dask=dask)
    written = write_report(comparison, folder=study.report_folder, missing=failures.missing)
    failures.raise_if_any(report=str(written.report))
    return written


def compared(
    plans: list[ModelPlan],
    study: Study,
    images: ImageSet,
    failures: ModelFailures,
    *,
    dask: str | None,
) -> ComparisonResult:
    """Record and sign what is missing of ``plans``, and compare all pairs of their taps."""
    complete = signed(plans, study, images, failures, dask=dask)
    return join_measures(
        complete,
        names=_measured(complete, study, images),
        swept=_swept(complete, study, images) if study.sweep else None,
        store=study.store,
        study_name=study.name,
        provenance=provenance(study, images, [one.plan for one in complete]),
        statistics=study.statistics,
    )


def _say(study: Study, plans: list[ModelPlan], images: ImageSet, dask: str | None) -> None:
    """What the run is about, in its log."""
    names = ", ".join(plan.name for plan in plans)
    run_log().info(f"study {study.name}: {names} on {len(images)} images; store {study.store}")
    if dask is not None:
        run_log().info(f"Dask {dask}, dashboard {dashboard(dask)}")
        print(f"Dask dashboard: {dashboard(dask)}", file=sys.stderr)


def signed(
    plans: list[ModelPlan],
    study: Study,
    images: ImageSet,
    failures: ModelFailures,
    *,
    dask: str | None,
) -> list[SignaturesResult]:
    """Record and sign every model; each is signed while the next ones are recorded."""
    shards = {plan.name: recorded(plan, study, images, dask=dask) for plan in plans}

    def signing(plan: ModelPlan) -> PrefectFuture[SignaturesResult]:
        return sign_recording.submit(
            plan,
            prefect_quote(images),
            store=study.store,
            keep=study.keep,
            # Waited for here, so that a fault of a recording is what fails the branch.
            recorded=[future.result() for future in shards[plan.name]],
            dask=dask,
        )

    submitted = failures.wait({plan.name: partial(signing, plan) for plan in plans})
    left = {plan.name: submitted[plan.name] for plan in failures.remaining(plans)}
    done = failures.wait({name: results(future) for name, future in left.items()})
    return [done[plan.name] for plan in failures.remaining(plans)]


def _measured(complete: list[SignaturesResult], study: Study, images: ImageSet) -> dict[str, str]:
    """One measure after the other, since each takes every core: their digests by name."""
    return {
        name: compare_measure(
            complete,
            prefect_quote(images),
            name=name,
            store=study.store,
            statistics=study.statistics,
        )
        for name in study.measures
    }


def _swept(complete: list[SignaturesResult], study: Study, images: ImageSet) -> str:
    """The sweep over images and batch sizes."""
    return sweep(complete, prefect_quote(images), store=study.store, statistics=study.statistics)


def redraw(study: Study) -> ComparisonResult:
    """The report of ``study``'s finished comparison drawn again; nothing is computed.

    Raises ``StorageError`` where the comparison is not in the store.
    """
    images = images_of(study)
    failures = ModelFailures()
    plans = failures.wait(
        {one.name: partial(surveyed, one, study, images) for one in subjects_of(study)}
    )
    name = comparison_name(
        failures.remaining(plans.values()),
        study.measures,
        statistics=study.statistics,
        sweep=study.sweep,
    )
    comparison = ComparisonResult(study.store, name)
    written = write_report.fn(comparison, folder=study.report_folder, missing=failures.missing)
    failures.raise_if_any(report=str(written.report))
    return written
