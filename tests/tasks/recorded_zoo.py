"""Networks of the zoo recorded on some sample images, the last batch short."""

from typing import Any

from analysis.networks.models import ModelSpec
from analysis.similarity.sketches import Projection
from storage.images import ImageSet, from_sample
from storage.store import Store
from tasks.plans import ModelPlan, Subject
from tasks.record import record_shard
from tasks.references import SignaturesReference
from tasks.sketch import sketch_model
from tasks.survey import survey

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
        Subject(ModelSpec(model, zoo=model), taps or TAPS[model], trained=True),
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
    reference = SignaturesReference(plan, 0)
    return sketch_model.fn(reference, store=store.url, keep=keep, projection=projection).name
