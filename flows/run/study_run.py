"""What flows have in common: a study's words turned into the steps' arguments."""

from collections.abc import Sequence
from typing import Any, cast

from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.utilities.annotations import quote

from seelike.analysis.networks.loading.models import untrained
from seelike.flows.errors import StudyError
from seelike.flows.run.model_failures import ModelFailures, results
from seelike.flows.study.study import Study
from seelike.storage.arrays.batches import shards as shards_of
from seelike.storage.images import ImageSet
from seelike.tasks.planning.image_sources import open_images
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.survey import survey
from seelike.tasks.recording.record import record_shard

# Steps that wait for a Dask worker. On one machine networks take turns, whatever is submitted.
MOST_AT_ONCE = 32


def run_name() -> str:
    """The name of a flow run: its flow and its study."""
    study = flow_run.parameters["study"]
    name = study["name"] if isinstance(study, dict) else getattr(study, "name", study)
    return f"{flow_run.flow_name}-{name}"


def images_of(study: Study) -> ImageSet:
    """The image set that all models of ``study`` see."""
    asked = study.images
    return open_images(
        asked.source,
        count=asked.count,
        seed=asked.seed,
        split=asked.split,
        root=asked.root,
        skip_bad=study.skip_bad_images,
    )


def subjects_of(study: Study) -> list[StudyModel]:
    """The study's networks in its order, then the untrained twin of every trained one."""
    subjects = []
    for model in study.models:
        patterns = model.taps if model.taps is not None else study.taps
        subjects.append(
            StudyModel(
                spec=model.spec(),
                patterns=(patterns,) if isinstance(patterns, str) else tuple(patterns),
                trained=bool(model.pretrained or model.checkpoint or model.zoo),
                origin=model.origin,
            )
        )
    trained = [subject for subject in subjects if subject.trained]
    if not study.baseline:
        return subjects
    return subjects + [
        StudyModel(untrained(one.spec), one.patterns, trained=False, baseline_of=one.name)
        for one in trained
    ]


def surveyed(subject: StudyModel, study: Study, images: ImageSet) -> ModelPlan:
    """Survey one network outside of a flow run."""
    return survey.fn(
        subject,
        images=images.digest,
        count=len(images),
        batch=study.batch,
        reduction=study.reduction,
        measures=study.measures,
        store=study.store,
    )


def survey_all(
    study: Study,
    images: ImageSet,
    failures: ModelFailures,
    *,
    subjects: Sequence[StudyModel] | None = None,
) -> list[ModelPlan]:
    """Survey every network of ``study``: each a task of its own, all before anything is written.

    ``subjects`` are those networks, where something about them is changed. Networks that
    can't be had fail their branch, and the twin of one is left out with it.
    """
    surveys = {
        subject.name: survey.submit(
            subject,
            images=images.digest,
            count=len(images),
            batch=study.batch,
            reduction=study.reduction,
            measures=study.measures,
            store=study.store,
        )
        for subject in (subjects_of(study) if subjects is None else subjects)
    }
    done = failures.wait({name: results(future) for name, future in surveys.items()})
    return failures.remaining(done.values())


def recorded(
    plan: ModelPlan, study: Study, images: ImageSet, *, dask: str | None
) -> list[PrefectFuture[int]]:
    """Submit the recording of every shard of one model."""
    return [
        record_shard.submit(
            plan,
            prefect_quote(images),
            store=study.store,
            keep=study.keep,
            number=number,
            shard=shard,
            device=study.compute.device,
            forward_batch=study.forward_batch,
            projection=study.sketch,
            dask=dask,
        )
        for number, shard in enumerate(shards_of(plan.bounds, images=study.compute.shard))
    ]


def check_comparable(study: Study) -> None:
    """Refuse to compare what is kept as sketches alone."""
    if study.keep == "sketches":
        raise StudyError(
            "comparing reads signatures, which keep: sketches does not keep; set keep: signatures, "
            "or use `seelike sketch STUDY` and then `seelike nearest MODEL:TAP`"
        )


def prefect_quote(images: ImageSet) -> ImageSet:
    """Quoted: Prefect would otherwise look through every image of the set for futures."""
    return cast(ImageSet, quote(images))


def provenance(study: Study, images: ImageSet, plans: list[ModelPlan]) -> dict[str, Any]:
    """What stands behind a comparison, JSON-able: the images, the models, the settings."""
    return {
        "images": images.describe(),
        "models": {plan.name: plan.facts for plan in plans},
        "taps": [study.taps] if isinstance(study.taps, str) else study.taps,
        "reduction": study.reduction,
        "batch": study.batch,
    }
