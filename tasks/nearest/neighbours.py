"""Which layers of a store are most like one layer: by signatures, by sketches, by an index."""

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
    """One tap of one volume."""

    volume: ModelSignatures
    place: int

    @property
    def tap(self) -> str:
        """Its name."""
        return self.volume.taps[self.place]

    @property
    def depth(self) -> float | None:
        """From 0 at the input to 1 at the output; None where the store does not say."""
        depths = self.volume.depths
        return None if depths is None else depths[self.place]


@dataclass(frozen=True)
class Neighbour:
    """A layer and its CKA with the one asked about; an interval, or an error bar, where known."""

    layer: Layer
    cka: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Neighbours:
    """The layers most like ``of``, the most alike first; among how many, and what is ``left_out``.

    ``method`` says how they were found, ``bounds`` what their low and high are.
    """

    of: Layer
    found: tuple[Neighbour, ...]
    among: int
    method: str
    bounds: str
    left_out: tuple[str, ...] = ()


def find_layer(store: Store, name: str, *kinds: str) -> Layer:
    """The layer ``MODEL:TAP`` of ``store``; MODEL may be the beginning of a volume's digest.

    Of volumes that hold it as one and the same, signatures come first. Raises ``AnalysisError``
    for one that is not there, with the nearest, and for a name of several.
    """
    known = list(model_signatures(store, *kinds))
    if not known:
        raise AnalysisError(
            f"store {store.url} holds no {' or '.join(kinds) or 'signatures'}; "
            "`seelike compare STUDY` makes signatures, `seelike sketch STUDY` sketches"
        )
    model, separator, tap = name.partition(":")
    if not separator or not tap:
        raise AnalysisError(f"{name!r} names no layer, expected MODEL:TAP, such as vit:blocks.3")
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
        several = ", ".join(f"{one.name[:12]} ({_told(one)})" for one in holding)
        raise AnalysisError(
            f"{name!r} means several layers of {store.url}; name one as DIGEST:TAP: {several}"
        )
    return Layer(first, first.taps.index(tap))


def comparable(
    layer: Layer, known: Sequence[ModelSignatures], *, other_models: bool
) -> list[ModelSignatures]:
    """Those of ``known`` that were made on the images of ``layer``, in the same batches.

    With ``other_models`` only those of other networks than its own.
    """
    return [
        one
        for one in known
        if one.setting == layer.volume.setting
        and not (other_models and one.identity["model"] == layer.volume.identity["model"])
    ]


def candidates(layer: Layer, among: Sequence[ModelSignatures]) -> np.ndarray:
    """Which taps of all volumes, one after the other, are others than ``layer``, each once.

    A network that was recorded with several sets of taps has some of them more than once.
    """
    seen: dict[str, set[str]] = defaultdict(set)
    seen[layer.volume.network].add(layer.tap)
    kept = []
    for volume in among:
        known = seen[volume.network]
        kept += [tap not in known for tap in volume.taps]
        known.update(volume.taps)
    return np.array(kept, bool)


def layers(among: Sequence[ModelSignatures]) -> list[Layer]:
    """Every tap of the volumes, one after the other."""
    return [Layer(volume, place) for volume in among for place in range(len(volume.taps))]


def _told(volume: ModelSignatures) -> str:
    images: Any = volume.identity["images"]
    return (
        f"images {images[:8]}, batch {volume.identity['batch']}, {volume.identity['reduction']}, "
        f"{len(volume.taps)} taps"
    )
