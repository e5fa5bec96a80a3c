"""The flow that compares every pair of layers of a study's models."""

from typing import cast

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from flows.steps import images_of, provenance, run_name, subjects_of, survey_all, surveyed
from flows.study import Study
from storage.batches import shards
from storage.images import ImageSet
from storage.store import locate, make_store
from tasks.compare import compare_pairs, comparison_name
from tasks.record import record_shard
from tasks.references import ComparisonReference, ModelPlan
from tasks.report import write_report
from tasks.sign import sign_recording
from tasks.survey import check_space


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
    make_store(study.store)
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
    comparison = compare_pairs(
        [future.result() for future in signed],
        store=study.store,
        study_name=study.name,
        provenance=provenance(study, images, plans),
        skip_degenerate=study.skip_degenerate,
    )
    return write_report(comparison, folder=study.report_folder)


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


def _unseen(images: ImageSet) -> ImageSet:
    """Quoted: Prefect would otherwise look through every image of the set for futures."""
    return cast(ImageSet, quote(images))


def redraw(study: Study) -> ComparisonReference:
    """The report of ``study``'s finished comparison drawn again; nothing is computed.

    Raises ``StorageError`` where the comparison is not in the store.
    """
    images = images_of(study)
    plans = [surveyed(subject, study, images) for subject in subjects_of(study)]
    name = comparison_name(plans, skip_degenerate=study.skip_degenerate)
    return write_report.fn(ComparisonReference(study.store, name), folder=study.report_folder)
