"""The flow that compares every pair of layers of a study's models."""

from typing import cast

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from analysis.networks.devices import device
from flows.steps import images_of, provenance, run_name, subjects_of, survey_all, surveyed
from flows.study import Study
from storage.batches import shards
from storage.images import ImageSet
from storage.reports import check_folder
from storage.store import locate, make_store
from tasks.compare import compare_measure, comparison_name, join_measures
from tasks.record import record_shard, stopping_on_interrupt
from tasks.references import ComparisonReference, ModelPlan, SignaturesReference
from tasks.report import write_report
from tasks.sign import sign_recording
from tasks.survey import check_space
from tasks.sweep import sweep


@flow(
    name="compare",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=2),  # type: ignore[arg-type]
)
def compare(study: Study) -> ComparisonReference:
    """Record every model of ``study``, compare all pairs of taps, and write the report.

    ``study`` may be a Study, a dictionary of its keys, or the path of a study file. What is in
    the store already is not computed again. Returns a reference with ``.url``, ``.open()`` (an
    xarray Dataset) and ``.report``.
    """
    images = images_of(study)
    plans = survey_all(study, images)
    check_space(plans, store=locate(study.store), keep=study.keep)
    device(study.compute.device)
    check_folder(study.report_folder)
    make_store(study.store)
    with stopping_on_interrupt():
        complete = _signed(plans, study, images)
    comparison = join_measures(
        complete,
        names=_measured(complete, study, images),
        swept=_swept(complete, study, images) if study.sweep else None,
        store=study.store,
        study_name=study.name,
        provenance=provenance(study, images, plans),
        statistics=study.statistics,
    )
    return write_report(comparison, folder=study.report_folder)


def _signed(plans: list[ModelPlan], study: Study, images: ImageSet) -> list[SignaturesReference]:
    """Record and sign every model; each is signed while the next ones are recorded."""
    recorded = [_recorded(plan, study, images) for plan in plans]
    signed = [
        sign_recording.submit(
            plan,
            _unseen(images),
            store=study.store,
            keep=study.keep,
            # Waited for here, so that a fault of a recording is what the flow raises.
            recorded=[future.result() for future in shards_of_plan],
        )
        for plan, shards_of_plan in zip(plans, recorded, strict=True)
    ]
    return [future.result() for future in signed]


def _recorded(plan: ModelPlan, study: Study, images: ImageSet) -> list[PrefectFuture[int]]:
    """Submit the recording of every shard of one model."""
    return [
        record_shard.submit(
            plan,
            _unseen(images),
            store=study.store,
            keep=study.keep,
            number=number,
            shard=shard,
            device=study.compute.device,
            forward_batch=study.forward_batch,
        )
        for number, shard in enumerate(shards(plan.bounds, images=study.compute.shard))
    ]


def _measured(
    complete: list[SignaturesReference], study: Study, images: ImageSet
) -> dict[str, str]:
    """One measure after the other, since each takes every core: their digests by name."""
    return {
        name: compare_measure(
            complete, _unseen(images), name=name, store=study.store, statistics=study.statistics
        )
        for name in study.measures
    }


def _swept(complete: list[SignaturesReference], study: Study, images: ImageSet) -> str:
    """The sweep over images and batch sizes."""
    return sweep(complete, _unseen(images), store=study.store, statistics=study.statistics)


def _unseen(images: ImageSet) -> ImageSet:
    """Quoted: Prefect would otherwise look through every image of the set for futures."""
    return cast(ImageSet, quote(images))


def redraw(study: Study) -> ComparisonReference:
    """The report of ``study``'s finished comparison drawn again; nothing is computed.

    Raises ``StorageError`` where the comparison is not in the store.
    """
    images = images_of(study)
    plans = [surveyed(subject, study, images) for subject in subjects_of(study)]
    name = comparison_name(plans, study.measures, statistics=study.statistics, sweep=study.sweep)
    return write_report.fn(ComparisonReference(study.store, name), folder=study.report_folder)
