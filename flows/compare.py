"""The flow that compares every pair of layers of a study's models."""

from collections.abc import Sequence
from functools import partial

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from seelike.flows.run.model_failures import ModelFailures
from seelike.flows.run.opened_study import check_comparable, open_study
from seelike.flows.run.study_run import MOST_AT_ONCE, StudyRun, run_name, running
from seelike.flows.study.study import Study
from seelike.tasks.comparison.batch_size_sweep import sweep
from seelike.tasks.comparison.compare import compare_measure, comparison_name, join_measures
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.resources import check_memory
from seelike.tasks.reports.comparison.report import write_report
from seelike.tasks.results import ComparisonResult
from seelike.tasks.step_results import SignaturesResult


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
    check_comparable(study.keep)
    with running(open_study(study, report=study.report_folder)) as run:
        plans = run.survey()
        run.log_start(plans)
        run.check_space(plans)
        check_memory(plans, names=study.measures, statistics=study.statistics)
        run.start()
        comparison = compare_models(run, plans)
    written = write_report(comparison, folder=study.report_folder, missing=run.failures.missing)
    run.failures.raise_if_any(report=str(written.report))
    return written


def compare_models(run: StudyRun, plans: Sequence[ModelPlan]) -> ComparisonResult:
    """Record and sign what is missing of some models, and compare all pairs of their layers.

    Args:
        run: The run of the study, with its measures.
        plans: The models.

    Returns:
        A reference to the comparison of the models that did not fail, without a report.
    """
    signed = run.sign(plans)
    # One after the other: each measure takes every core.
    names = {name: _compare(run, signed, measure=name) for name in run.study.measures}
    return join_measures(
        signed,
        names=names,
        swept=_sweep(run, signed) if run.study.sweep else None,
        store=run.store.url,
        study_name=run.study.name,
        provenance=run.provenance([one.plan for one in signed]),
        statistics=run.study.statistics,
    )


def _compare(run: StudyRun, signed: Sequence[SignaturesResult], *, measure: str) -> str:
    """Compute one measure of all pairs of layers: the digest of the result."""
    statistics = run.study.statistics
    return compare_measure(
        signed, run.quoted_images, name=measure, store=run.store.url, statistics=statistics
    )


def _sweep(run: StudyRun, signed: Sequence[SignaturesResult]) -> str:
    """Compute the error of CKA by number of images and batch size: the digest of the result."""
    return sweep(signed, run.quoted_images, store=run.store.url, statistics=run.study.statistics)


def redraw(study: Study) -> ComparisonResult:
    """Draw the report of a finished comparison again; nothing is computed.

    Args:
        study: The study that was compared.

    Returns:
        A reference to the comparison and its report.

    Raises:
        StorageError: The comparison is not in the store.
        Incomplete: Some models cannot be loaded. The report shows the others.
    """
    opened = open_study(study)
    failures = ModelFailures()
    plans = failures.wait({one.name: partial(opened.plan, one) for one in study.networks()})
    name = comparison_name(
        failures.remaining(plans.values()),
        study.measures,
        statistics=study.statistics,
        sweep=study.sweep,
    )
    comparison = ComparisonResult(opened.store.url, name)
    # Not as a task: no flow is running.
    written = write_report.fn(comparison, folder=study.report_folder, missing=failures.missing)
    failures.raise_if_any(report=str(written.report))
    return written
