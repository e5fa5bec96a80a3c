"""Sketches of one model, made batch by batch: while it is recorded, or from its signatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from dask.delayed import delayed

from analysis.similarity.pairs import TRIANGLE
from analysis.similarity.permutations import unpadded
from analysis.similarity.sketches import Projection, folded, sketched
from storage import sketches
from storage.signatures import Signatures
from storage.sketches import Sketches
from storage.store import Store
from tasks.plans import ModelPlan
from tasks.signing import MEASURE, Signed, attributes
from tasks.threads import computed


@dataclass(frozen=True)
class Sketching:
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
        parts = sketched(directions, batch=batch, projection=self.projection)
        self.kept.write(batch, parts, lengths)

    def finish(self, store: Store) -> None:
        """Add all batches up, which lets their parts go; nothing where that was done."""
        kept = self.kept
        with store.lock(f"{kept.name}-finish"):
            if kept.complete:
                kept.clear()  # What a run left that was killed here.
                return
            parts = (kept.part(batch) for batch in range(len(kept.bounds)))
            kept.finish(folded(parts, kept.lengths().T))


def sketch_identity(signed: Mapping[str, Any], projection: Projection) -> dict[str, Any]:
    """The identity of the sketches of signatures of the identity ``signed``."""
    return {**signed, "sketch": projection.identity()}


def sketching(plan: ModelPlan, *, store: Store, projection: Projection) -> Sketching:
    """Where the sketches of ``plan`` go, made with their metadata if they are new."""
    kept = sketches.create(
        store,
        sketch_identity(plan.signed_identity(MEASURE), projection),
        taps=[tap.name for tap in plan.taps],
        bounds=plan.bounds,
        dimension=projection.dimension,
        attributes={**attributes(plan), "measure": MEASURE},
    )
    return Sketching(kept, projection)


def sketch_signatures(signed: Signatures, *, store: Store, projection: Projection) -> Sketching:
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
    made = Sketching(kept, projection)
    with store.lock(made.name):
        step = delayed(_sketch, pure=False)
        computed(step(signed, made, batch) for batch in made.missing())
    made.finish(store)
    return made


def _sketch(signed: Signatures, made: Sketching, batch: int) -> None:
    directions, lengths = signed.read(batch)
    start, stop = signed.bounds[batch]
    own = unpadded(directions, images=stop - start, pairs=TRIANGLE)
    made.add(batch, own, lengths)
