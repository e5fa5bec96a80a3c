"""Nearest layers by sketches: among all of a store, or among those that an index finds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.nearest import faiss_index
from seelike.analysis.similarity.nearest.nearest import largest_places, nearest
from seelike.analysis.similarity.nearest.sketches import Projection, estimate_cka, standard_error
from seelike.storage.arrays import signatures, sketch_indexes, sketches
from seelike.storage.arrays.signatures import open_signatures
from seelike.storage.arrays.sketches import open_sketches
from seelike.storage.catalogue import ModelSignatures, model_signatures
from seelike.storage.store import Store
from seelike.tasks.nearest.neighbours import (
    Layer,
    Neighbour,
    Neighbours,
    candidates,
    comparable,
    find_layer,
    layers,
)
from seelike.tasks.planning.plans import sketch_identity
from seelike.tasks.recording.sketches import sketch_signatures

# Standard errors that 95 % of estimates lie within.
BOUND = 1.96
# Candidates of an index that are compared by their sketches, per layer to return.
CANDIDATES = 10


@dataclass(frozen=True)
class SketchSet:
    """All complete sketches of one projection on the images of a layer.

    Attributes:
        store: The store.
        layer: The layer.
        sketch: Its sketch, (d,) float32.
        volumes: Sketches of each model.
        left_out: Models without complete sketches, and why.
    """

    store: Store
    layer: Layer
    sketch: np.ndarray
    volumes: list[ModelSignatures]
    left_out: tuple[str, ...]


def by_sketches(
    store: Store,
    name: str,
    *,
    count: int,
    projection: Projection,
    other_models: bool = False,
) -> Neighbours:
    """Find the layers of a store whose sketches are nearest to that of one layer.

    Signatures without sketches are known_sketches first, and the sketches kept. Memory: a model's
    sketches.

    Args:
        store: The store.
        name: The layer, ``MODEL:TAP``.
        count: How many layers to return.
        projection: The projection of the sketches.
        other_models: Leave out layers of the same network.

    Returns:
        The layers, the nearest first.

    Raises:
        AnalysisError: As ``by_signatures``.
    """
    known_sketches = sketch_set(store, name, projection=projection)
    among = comparable(known_sketches.layer, known_sketches.volumes, other_models=other_models)
    chosen, every = candidates(known_sketches.layer, among), layers(among)
    constant: list[int] = []

    def blocks() -> Iterator[np.ndarray]:
        first = 0
        for volume in among:
            rows = open_sketches(store, volume.name).read()
            here = chosen[first : first + len(rows)]
            constant.extend(first + np.flatnonzero(here & ~rows.any(axis=1)))
            here &= rows.any(axis=1)
            yield rows[here]
            first += len(rows)

    places, values = nearest(known_sketches.sketch, blocks(), count=count)
    return _neighbours(
        known_sketches,
        [every[i] for i in np.flatnonzero(chosen)[places]],
        values,
        projection=projection,
        among=int(chosen.sum()),
        method=f"sketches of {projection.dimension} numbers",
        constant=[every[i] for i in constant],
    )


def by_index(
    store: Store,
    name: str,
    *,
    count: int,
    projection: Projection,
    other_models: bool = False,
) -> Neighbours:
    """Find the same among the candidates of an index, which is built and kept if it is new.

    The index misses few; each candidate is compared by its sketch. Arguments, result and errors
    as ``by_sketches``.
    """
    known_sketches = sketch_set(store, name, projection=projection)
    every = layers(known_sketches.volumes)
    names = [volume.name for volume in known_sketches.volumes]
    make = partial(_build_index, store, known_sketches.volumes, projection)
    index = faiss_index.load_index(
        sketch_indexes.kept(store, names, way=faiss_index.INDEX_FORMAT, make=make)
    )
    allowed = comparable(known_sketches.layer, known_sketches.volumes, other_models=other_models)
    own = {one.name for one in known_sketches.volumes} - {one.name for one in allowed}
    spare = 1 + sum(len(one.taps) for one in known_sketches.volumes if one.name in own)
    numbers = index.nearest(known_sketches.sketch, count=CANDIDATES * count + spare)
    once = candidates(known_sketches.layer, known_sketches.volumes)
    numbers = np.array(
        [i for i in numbers.tolist() if once[i] and every[i].volume.name not in own], np.intp
    )
    again = _sketches_of(known_sketches, [every[i] for i in numbers])
    values = estimate_cka(known_sketches.sketch, again)
    first = largest_places(values, count)
    return _neighbours(
        known_sketches,
        [every[i] for i in numbers[first]],
        values[first],
        projection=projection,
        among=sum(len(one.taps) for one in allowed),
        method=f"an index of sketches of {projection.dimension} numbers",
    )


def sketch_set(store: Store, name: str, *, projection: Projection) -> SketchSet:
    """Open all sketches on the images of the layer ``MODEL:TAP``; sketch signatures without."""
    layer = find_layer(store, name)
    found, left_out = [], []
    known = [
        one
        for one in model_signatures(store, sketches.KIND)
        if one.projection == projection.identity() and one.setting == layer.volume.setting
    ]
    there = {one.name for one in known}
    for one in comparable(
        layer, list(model_signatures(store, signatures.KIND)), other_models=False
    ):
        called = sketches.name(sketch_identity(one.identity, projection))
        if called not in there:
            signed = open_signatures(store, one.name)
            if signed.missing():
                left_out.append(f"{one.model}: {len(signed.missing())} batches have no signatures")
                continue
            sketch_signatures(signed, store=store, projection=projection)
            known.append(
                replace(
                    one,
                    kind=sketches.KIND,
                    name=called,
                    identity=sketch_identity(one.identity, projection),
                )
            )
    for one in sorted(known, key=lambda volume: volume.name):
        if open_sketches(store, one.name).complete:
            found.append(one)
        else:
            left_out.append(f"{one.model}: sketches are incomplete")
    own = next(
        (one for one in found if one.signed == layer.volume.signed),
        None,
    )
    if own is None:
        raise AnalysisError(
            f"{name} has no complete sketch of {projection.dimension} numbers, seed "
            f"{projection.seed}, in {store.url}; run `seelike sketch` with its study, or ask with "
            "--dimension and --seed for what it has"
        )
    sketch = open_sketches(store, own.name).read()[layer.place]
    if not sketch.any():
        raise AnalysisError(f"{name} is constant over the images, so nothing is similar to it")
    return SketchSet(store, Layer(own, layer.place), sketch, found, tuple(left_out))


def _build_index(
    store: Store, among: Sequence[ModelSignatures], projection: Projection
) -> np.ndarray:
    """Build the index of all sketches of ``among``, numbered one after the other."""

    def blocks() -> Iterator[faiss_index.NumberedSketches]:
        first = 0
        for volume in among:
            rows = open_sketches(store, volume.name).read()
            varying = np.flatnonzero(rows.any(axis=1))
            yield first + varying, rows[varying]
            first += len(rows)

    count = sum(len(volume.taps) for volume in among)
    return faiss_index.build_index(blocks, count=count, dimension=projection.dimension).content()


def _sketches_of(known_sketches: SketchSet, chosen: Sequence[Layer]) -> np.ndarray:
    """Read the sketches (n, d) of some layers, each model's once."""
    names = dict.fromkeys(layer.volume.name for layer in chosen)
    opened = {name: open_sketches(known_sketches.store, name).read() for name in names}
    found = np.empty((len(chosen), len(known_sketches.sketch)), np.float32)
    for row, layer in zip(found, chosen, strict=True):
        row[:] = opened[layer.volume.name][layer.place]
    return found


def _neighbours(
    known_sketches: SketchSet,
    found: Sequence[Layer],
    values: np.ndarray,
    *,
    projection: Projection,
    among: int,
    method: str,
    constant: Sequence[Layer] = (),
) -> Neighbours:
    if not found:
        raise AnalysisError(
            f"{known_sketches.store.url} holds no other layers on the images of "
            f"{known_sketches.layer.volume.model}:{known_sketches.layer.tap}"
        )
    bars = BOUND * standard_error(values, dimension=projection.dimension)
    gone = tuple(f"{one.volume.model}:{one.tap}: constant" for one in constant)
    return Neighbours(
        known_sketches.layer,
        tuple(
            Neighbour(layer, float(value), float(value - bar), float(value + bar))
            for layer, value, bar in zip(found, values, bars, strict=True)
        ),
        among=among - len(constant),
        method=method,
        bounds="95 % error bar of the sketches, about the CKA of all images",
        left_out=(*known_sketches.left_out, *gone),
    )
