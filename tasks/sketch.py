"""Sketching a model: from the parts that recording left, or from its signatures."""

from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE

from analysis.similarity.sketches import Projection
from storage.signatures import open_signatures
from storage.store import open_store
from tasks.plans import ModelPlan
from tasks.references import SignaturesReference
from tasks.retries import RETRIED
from tasks.signing import MEASURE
from tasks.sketching import Sketching, sketch_signatures, sketching
from tasks.threads import SEATS


@dataclass(frozen=True)
class SketchesReference:
    """Complete sketches of one model in a store, and how many batches were recorded for them."""

    plan: ModelPlan
    name: str
    recorded: int


@task(task_run_name="sketch {signed.plan.name}", cache_policy=NO_CACHE, **RETRIED)
def sketch_model(
    signed: SignaturesReference, *, store: str, keep: str, projection: Projection
) -> SketchesReference:
    """Complete the sketches of a model that was recorded with ``keep``."""
    opened, plan = open_store(store), signed.plan
    made: Sketching
    with SEATS:
        if keep == "sketches":
            made = sketching(plan, store=opened, projection=projection)
            made.finish(opened)
        else:
            kept = open_signatures(opened, plan.signatures(MEASURE))
            made = sketch_signatures(kept, store=opened, projection=projection)
    return SketchesReference(plan, made.name, signed.recorded)
