"""Sketches of one model, made batch by batch: while it is recorded, or from its signatures."""

from collections.abc import Mapping
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
from seelike.tasks.recording.signature_sink import VectorSink
from seelike.tasks.recording.signatures import Vectors, attributes
from seelike.tasks.runtime.retries import RETRIES
from seelike.tasks.runtime.threads import COMPUTE_SLOTS, compute_on_threads
from seelike.tasks.step_results import SignaturesResult, SketchesResult


class SketchSink(VectorSink):
    """Writes the sketches of one model in place of its signatures, batch by batch (``Sink``)."""

    def __init__(self, kept: Sketches, projection: Projection) -> None:
        super().__init__([MEASURE])
        self.kept, self.projection = kept, projection

    @property
    def name(self) -> str:
        """The digest of the sketches."""
        return self.kept.name

    def missing(self) -> list[int]:
        """Return the batches that are not complete, in order."""
        return self.kept.missing()

    def write(self, batch: int, vectors: Mapping[str, Vectors]) -> None:
        """Write what the signatures of one batch add to the sketches."""
        each = [vectors[tap][MEASURE] for tap in self.kept.taps]
        directions = np.stack([direction for direction, _ in each])
        self.write_signatures(batch, directions, np.array([length for _, length in each]))

    def write_signatures(self, batch: int, directions: np.ndarray, lengths: np.ndarray) -> None:
        """Write the same from directions (taps, pairs) float32 and lengths (taps,)."""
        parts = sketch_batch(directions, batch=batch, projection=self.projection)
        self.kept.write(batch, parts, lengths)

    def combine(self, store: Store) -> None:
        """Add all batches up, which lets their parts go; do nothing where that was done."""
        kept = self.kept
        with store.lock(f"{kept.name}-finish"):
            if kept.complete:
                kept.clear()  # Parts left by a run that was killed here.
                return
            parts = (kept.part(batch) for batch in range(len(kept.bounds)))
            kept.finish(combine_batches(parts, kept.lengths().T))


def create_sketches(plan: ModelPlan, *, store: Store, projection: Projection) -> SketchSink:
    """Create the sketches of ``plan`` with their metadata, or open those that are there."""
    kept = sketches.create(
        store,
        sketch_identity(plan.signature_identity(MEASURE), projection),
        taps=[tap.name for tap in plan.taps],
        bounds=plan.bounds,
        dimension=projection.dimension,
        attributes={**attributes(plan), "measure": MEASURE},
    )
    return SketchSink(kept, projection)


def sketch_signatures(
    signatures: Signatures, *, store: Store, projection: Projection
) -> SketchSink:
    """Sketch complete signatures: the batches that are missing, then their sum."""
    about: dict[str, Any] = dict(signatures.group.attrs)
    kept = sketches.create(
        store,
        sketch_identity(about.pop("identity"), projection),
        taps=about.pop("taps"),
        bounds=signatures.bounds,
        dimension=projection.dimension,
        attributes={key: value for key, value in about.items() if key != "bounds"},
    )
    sink = SketchSink(kept, projection)
    with store.lock(sink.name):
        step = delayed(_sketch, pure=False)
        compute_on_threads(step(signatures, sink, batch) for batch in sink.missing())
    sink.combine(store)
    return sink


def _sketch(signatures: Signatures, sink: SketchSink, batch: int) -> None:
    directions, lengths = signatures.read(batch)
    start, stop = signatures.bounds[batch]
    own = remove_padding(directions, images=stop - start, pairs=TRIANGLE)
    sink.write_signatures(batch, own, lengths)


@task(task_run_name="sketch {result.plan.name}", cache_policy=NO_CACHE, **RETRIES)
def sketch_model(
    result: SignaturesResult, *, store: str, keep: str, projection: Projection
) -> SketchesResult:
    """Complete the sketches of a model that was recorded with ``keep``."""
    opened, plan = open_store(store), result.plan
    sink: SketchSink
    with COMPUTE_SLOTS:
        if keep == "sketches":
            sink = create_sketches(plan, store=opened, projection=projection)
            sink.combine(opened)
        else:
            kept = open_signatures(opened, plan.signatures(MEASURE))
            sink = sketch_signatures(kept, store=opened, projection=projection)
    return SketchesResult(plan, sink.name, result.recorded)
