"""Sketches of one model, made batch by batch: while it is recorded, or from its signatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from dask.delayed import delayed
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.similarity.image_pairs import TRIANGLE
from seelike.analysis.similarity.nearest.sketches import Projection, combine_batches, sketch_batch
from seelike.analysis.similarity.significance.permutations import remove_padding
from seelike.storage.arrays import sketches
from seelike.storage.arrays.signatures import Signatures, open_signatures
from seelike.storage.arrays.sketches import Sketches
from seelike.storage.store import Store, open_store
from seelike.tasks.planning.plans import MEASURE, ModelPlan, sketch_identity
from seelike.tasks.recording.signatures import Signed, attributes
from seelike.tasks.results import SignaturesResult, SketchesResult
from seelike.tasks.runtime.retries import RETRIED
from seelike.tasks.runtime.threads import SEATS, computed


@dataclass(frozen=True)
class SketchSink:
    """The sketches of one model, written as its signatures would be."""

    kept: Sketches
    projection: Projection

    @property
    def name(self) -> str:
        """The digest that locks and messages call it by."""
        return self.kept.name

    def missing(self) -> list[int]:
        """The batches that are not complete, in order."""
        return self.kept.missing()

    def write(self, batch: int, signed: Mapping[str, Signed]) -> None:
        """Keep what one batch, ``signed`` by tap, gives to the sketches."""
        vectors = [signed[tap][MEASURE] for tap in self.kept.taps]
        directions = np.stack([direction for direction, _ in vectors])
        self.add(batch, directions, np.array([length for _, length in vectors]))

    def add(self, batch: int, directions: np.ndarray, lengths: np.ndarray) -> None:
        """The same of directions (taps, pairs) float32 and lengths (taps,) of signatures."""
        parts = sketch_batch(directions, batch=batch, projection=self.projection)
        self.kept.write(batch, parts, lengths)

    def finish(self, store: Store) -> None:
        """Add all batches up, which lets their parts go; nothing where that was done."""
        kept = self.kept
        with store.lock(f"{kept.name}-finish"):
            if kept.complete:
                kept.clear()  # What a run left that was killed here.
                return
            parts = (kept.part(batch) for batch in range(len(kept.bounds)))
            kept.finish(combine_batches(parts, kept.lengths().T))


def create_sketches(plan: ModelPlan, *, store: Store, projection: Projection) -> SketchSink:
    """Where the sketches of ``plan`` go, made with their metadata if they are new."""
    kept = sketches.create(
        store,
        sketch_identity(plan.signed_identity(MEASURE), projection),
        taps=[tap.name for tap in plan.taps],
        bounds=plan.bounds,
        dimension=projection.dimension,
        attributes={**attributes(plan), "measure": MEASURE},
    )
    return SketchSink(kept, projection)


def sketch_signatures(signed: Signatures, *, store: Store, projection: Projection) -> SketchSink:
    """The sketches of complete signatures, those of all batches made that are missing."""
    about: dict[str, Any] = dict(signed.group.attrs)
    kept = sketches.create(
        store,
        sketch_identity(about.pop("identity"), projection),
        taps=about.pop("taps"),
        bounds=signed.bounds,
        dimension=projection.dimension,
        attributes={key: value for key, value in about.items() if key != "bounds"},
    )
    made = SketchSink(kept, projection)
    with store.lock(made.name):
        step = delayed(_sketch, pure=False)
        computed(step(signed, made, batch) for batch in made.missing())
    made.finish(store)
    return made


def _sketch(signed: Signatures, made: SketchSink, batch: int) -> None:
    directions, lengths = signed.read(batch)
    start, stop = signed.bounds[batch]
    own = remove_padding(directions, images=stop - start, pairs=TRIANGLE)
    made.add(batch, own, lengths)


@task(task_run_name="sketch {signed.plan.name}", cache_policy=NO_CACHE, **RETRIED)
def sketch_model(
    signed: SignaturesResult, *, store: str, keep: str, projection: Projection
) -> SketchesResult:
    """Complete the sketches of a model that was recorded with ``keep``."""
    opened, plan = open_store(store), signed.plan
    made: SketchSink
    with SEATS:
        if keep == "sketches":
            made = create_sketches(plan, store=opened, projection=projection)
            made.finish(opened)
        else:
            kept = open_signatures(opened, plan.signatures(MEASURE))
            made = sketch_signatures(kept, store=opened, projection=projection)
    return SketchesResult(plan, made.name, signed.recorded)
