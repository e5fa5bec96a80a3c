"""Nearest layers by signatures, exactly and with intervals, a batch of a model at a time."""

import threading
from collections.abc import Sequence

import numpy as np
from dask.delayed import delayed

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.nearest.nearest import largest_places, query
from seelike.storage.arrays import signatures, sketches
from seelike.storage.arrays.signatures import Signatures, open_signatures
from seelike.storage.catalogue import model_signatures
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
from seelike.tasks.runtime.threads import compute_on_threads


def by_signatures(store: Store, name: str, *, count: int, other_models: bool = False) -> Neighbours:
    """Find the layers of a store with the highest CKA with one layer.

    Searched are all signatures of the same images in the same batches. Memory: for each core one
    batch of the largest model.

    Args:
        store: The store.
        name: The layer, ``MODEL:TAP``.
        count: How many layers to return.
        other_models: Leave out layers of the same network.

    Returns:
        The layers, the nearest first.

    Raises:
        AnalysisError: For a layer that the store lacks, that is constant over the images, or
            that lacks a batch.
    """
    layer = find_layer(store, name)
    if layer.volume.kind == sketches.KIND:
        raise AnalysisError(f"{name} is in {store.url} as a sketch only; ask with --sketches")
    own = open_signatures(store, layer.volume.name)
    if own.missing():
        raise AnalysisError(
            f"{name} lacks {_missing_batches(own)}; run its study again, it continues there"
        )
    known = comparable(
        layer, list(model_signatures(store, signatures.KIND)), other_models=other_models
    )
    opened = {one: open_signatures(store, one.name) for one in known}
    whole = [one for one in known if not opened[one].missing()]
    left_out = [
        f"{one.model}: {_missing_batches(opened[one])}" for one in known if one not in whole
    ]
    chosen = candidates(layer, whole)
    found, lengths, own_lengths = _cosines(layer, own, [opened[one] for one in whole])
    if not own_lengths.any():
        raise AnalysisError(f"{name} is constant over the images, so nothing is similar to it")
    every = layers(whole)
    varies = lengths.any(axis=0)
    left_out += [f"{_label(every[i])}: constant" for i in np.flatnonzero(chosen & ~varies)]
    present = np.flatnonzero(chosen & varies)
    if not len(present):
        raise AnalysisError(f"{store.url} holds no other layers on the images of {name}")
    cka = query(found[:, present], own_lengths, lengths[:, present])
    first = largest_places(cka.cka, count)
    nearer = cka.of(first)
    images = [stop - start for start, stop in own.bounds]
    low, high = nearer.interval(images=images) or ([None] * len(first), [None] * len(first))
    return Neighbours(
        layer,
        tuple(
            Neighbour(every[place], float(value), _number(lowest), _number(highest))
            for place, value, lowest, highest in zip(
                present[first], nearer.cka, low, high, strict=True
            )
        ),
        among=len(present),
        method="signatures",
        bounds="95 % interval over batches of images (jackknife)",
        left_out=tuple(left_out),
    )


def _cosines(
    layer: Layer, own: Signatures, others: Sequence[Signatures]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute cosines (batches, T) of the layer with all taps of ``others``, and both's lengths."""
    batches = range(len(own.bounds))
    directions = np.stack([own.read(batch)[0][layer.place] for batch in batches])
    held = threading.local()
    step = delayed(_of_model, pure=False)
    done = compute_on_threads(step(one, directions, held) for one in others)
    cosines, lengths = (np.concatenate(each, axis=1) for each in zip(*done, strict=True))
    return cosines, lengths, own.lengths()[layer.place]


def _of_model(
    one: Signatures, directions: np.ndarray, held: threading.local
) -> tuple[np.ndarray, np.ndarray]:
    """Compute cosines of one model's taps with ``directions`` (batches, pairs); their lengths."""
    cosines, lengths = np.empty((2, len(directions), len(one.taps)))
    # One operand per thread: fresh memory costs as much as reading.
    if getattr(held, "rows", np.empty(0)).size < len(one.taps) * one.pairs:
        held.rows = np.empty(len(one.taps) * one.pairs, np.float32)
    rows = held.rows[: len(one.taps) * one.pairs].reshape(len(one.taps), one.pairs)
    for batch, direction in enumerate(directions):
        lengths[batch] = one.read_into(rows, batch)
        one.prefetch(batch + 1)
        cosines[batch] = rows @ direction
    return cosines, lengths


def _missing_batches(one: Signatures) -> str:
    return f"{len(one.missing())} of {len(one.bounds)} batches"


def _label(layer: Layer) -> str:
    return f"{layer.volume.model}:{layer.tap}"


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
