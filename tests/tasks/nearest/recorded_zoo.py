"""Networks of the zoo recorded on some sample images, the last batch short."""

from typing import Any

from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.similarity.nearest.sketches import Projection
from seelike.storage.images import ImageSet, from_sample
from seelike.storage.store import Store
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.survey import survey
from seelike.tasks.recording.record import record_shard
from seelike.tasks.recording.sketches import sketch_model
from seelike.tasks.step_results import SignaturesResult

BATCH = 20
# The taps of each network, a few of one of them.
TAPS = {
    "vit": tuple(f"blocks.{i}" for i in range(5)),
    "vit-seed1": ("blocks.*",),
    "mixer": ("blocks.*",),
}


def sample(count: int = 64) -> ImageSet:
    return from_sample(count=count)


def plan_of(
    model: str, images: ImageSet, *, taps: tuple[str, ...] = (), **changed: Any
) -> ModelPlan:
    settings = {"batch": BATCH, "reduction": "flatten", **changed}
    return survey.fn(
        StudyModel(ModelSpec(model, zoo=model), taps or TAPS[model], trained=True),
        images=images.digest,
        count=len(images),
        **settings,
    )


def record(
    plan: ModelPlan,
    images: ImageSet,
    store: Store,
    *,
    keep: str = "signatures",
    projection: Projection | None = None,
) -> int:
    return record_shard.fn(
        plan,
        images,
        store=store.url,
        keep=keep,
        number=0,
        shard=range(len(plan.bounds)),
        device="cpu",
        forward_batch=BATCH,
        projection=projection or Projection(),
    )


def sketch(plan: ModelPlan, store: Store, *, keep: str, projection: Projection) -> str:
    reference = SignaturesResult(plan, 0)
    return sketch_model.fn(reference, store=store.url, keep=keep, projection=projection).name
