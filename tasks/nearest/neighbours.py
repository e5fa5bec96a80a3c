"""Layers of a store by name, and the layers most like one of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seelike.analysis.errors import AnalysisError
from seelike.storage.catalogue import ModelSignatures, find_models, model_signatures
from seelike.storage.errors import suggest
from seelike.storage.store import Store


@dataclass(frozen=True)
class Layer:
    """One tap of a model's signatures or sketches.

    Attributes:
        volume: The signatures or sketches.
        place: The tap's number among theirs.
    """

    volume: ModelSignatures
    place: int

    @property
    def tap(self) -> str:
        """The tap's name."""
        return self.volume.taps[self.place]

    @property
    def depth(self) -> float | None:
        """From 0 at the input to 1 at the output; None where the store does not say."""
        depths = self.volume.depths
        return None if depths is None else depths[self.place]


@dataclass(frozen=True)
class Neighbour:
    """A layer and its CKA with another, with an interval or error bar where it is known."""

    layer: Layer
    cka: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Neighbours:
    """The layers most like one layer.

    Attributes:
        of: The layer.
        found: The others, the most alike first.
        among: How many layers were searched.
        method: How they were searched.
        bounds: Meaning of ``low`` and ``high``.
        left_out: Layers and models that were not searched, and why.
    """

    of: Layer
    found: tuple[Neighbour, ...]
    among: int
    method: str
    bounds: str
    left_out: tuple[str, ...] = ()


def find_layer(store: Store, name: str, *kinds: str) -> Layer:
    """Find a layer of a store by its name.

    Args:
        store: The store.
        name: ``MODEL:TAP``; MODEL may be the beginning of a digest.
        kinds: Kinds of entries to search; signatures and sketches if left out.

    Returns:
        The layer; of its signatures, where the store has these and sketches.

    Raises:
        AnalysisError: For a layer that the store lacks, with the nearest name, and for a name that
            means several.
    """
    known = list(model_signatures(store, *kinds))
    if not known:
        raise AnalysisError(
            f"store {store.url} holds no {' or '.join(kinds) or 'signatures'}; "
            "`seelike compare STUDY` makes signatures, `seelike sketch STUDY` sketches"
        )
    model, separator, tap = name.partition(":")
    if not separator or not tap:
        raise AnalysisError(f"{name!r} names no layer, expected MODEL:LAYER, such as vit:blocks.3")
    meant = find_models(known, model)
    if not meant:
        offer = suggest(model, [one.model for one in known])
        raise AnalysisError(f"model {model!r} is not in {store.url}; {offer}")
    holding = [one for one in meant if tap in one.taps]
    if not holding:
        offer = suggest(tap, [one for volume in meant for one in volume.taps])
        raise AnalysisError(f"tap {tap!r} of {model} is not in {store.url}; {offer}")
    first = holding[0]
    if len({one.network for one in holding}) > 1:
        several = ", ".join(f"{one.name[:12]} ({_setting_words(one)})" for one in holding)
        raise AnalysisError(
            f"{name!r} means several layers of {store.url}; name one as DIGEST:TAP: {several}"
        )
    return Layer(first, first.taps.index(tap))


def comparable(
    layer: Layer, known: Sequence[ModelSignatures], *, other_models: bool
) -> list[ModelSignatures]:
    """Choose those of ``known`` on the images of ``layer``, in the same batches.

    With ``other_models`` only those of other networks than its own.
    """
    return [
        one
        for one in known
        if one.setting == layer.volume.setting
        and not (other_models and one.identity["model"] == layer.volume.identity["model"])
    ]


def candidates(layer: Layer, among: Sequence[ModelSignatures]) -> np.ndarray:
    """Choose the taps to search, each once and ``layer`` itself left out, (all taps,) bool.

    A network that was recorded with several sets of taps has some of them more than once.
    """
    searched: dict[str, set[str]] = defaultdict(set)
    searched[layer.volume.network].add(layer.tap)
    kept = []
    for volume in among:
        known = searched[volume.network]
        kept += [tap not in known for tap in volume.taps]
        known.update(volume.taps)
    return np.array(kept, bool)


def layers(among: Sequence[ModelSignatures]) -> list[Layer]:
    """List every tap of the volumes, one after the other."""
    return [Layer(volume, place) for volume in among for place in range(len(volume.taps))]


def _setting_words(volume: ModelSignatures) -> str:
    images: Any = volume.identity["images"]
    return (
        f"images {images[:8]}, batch {volume.identity['batch']}, {volume.identity['reduction']}, "
        f"{len(volume.taps)} taps"
    )
