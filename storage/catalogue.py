"""What a store has of the layers of all models: signatures and sketches, by their attributes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seelike.storage.arrays import signatures, sketches
from seelike.storage.digest import digest
from seelike.storage.store import Store

# What two models have to share for their signatures to be of the same pairs of images.
SETTING = ("images", "batch", "reduction")


@dataclass(frozen=True, eq=False)
class ModelSignatures:
    """The CKA signatures of one model, or sketches of them (``kind``), not opened.

    ``depths`` are None where they were written before depths were.
    """

    kind: str
    name: str
    model: str
    taps: tuple[str, ...]
    depths: tuple[float, ...] | None
    identity: dict[str, Any]
    facts: dict[str, Any]

    @property
    def setting(self) -> tuple[Any, ...]:
        """Image set, batch and reduction: volumes of one setting can be compared."""
        return tuple(self.identity[key] for key in SETTING)

    @property
    def signed(self) -> dict[str, Any]:
        """The identity of the signatures: its own, or of those that were sketched."""
        return {key: value for key, value in self.identity.items() if key != "sketch"}

    @property
    def projection(self) -> Any:
        """How it was sketched; None for signatures."""
        return self.identity.get("sketch")

    @cached_property
    def network(self) -> str:
        """The same for all volumes of one network that sees the images in one way."""
        return digest({key: value for key, value in self.signed.items() if key != "taps"})


def volumes(store: Store, *kinds: str) -> Iterator[ModelSignatures]:
    """Every volume of those kinds (signatures, sketches) in ``store``, by kind and digest.

    Only attributes are read: one small file a volume.
    """
    for kind in kinds or (signatures.KIND, sketches.KIND):
        for name in store.names(kind):
            about = _attributes(store, kind, name)
            identity = about.get("identity", {})
            # Other measures' signatures, and those of the images themselves, are of no layer.
            if "measure" in identity or not {"model", *SETTING} <= identity.keys():
                continue
            depths = about.get("depths")
            yield ModelSignatures(
                kind,
                name,
                model=str(about["model"]),
                taps=tuple(about["taps"]),
                depths=None if depths is None else tuple(map(float, depths)),
                identity=identity,
                facts=about.get("facts", {}),
            )


def _attributes(store: Store, kind: str, name: str) -> dict[str, Any]:
    """The attributes of a Zarr group, without opening it as one."""
    content = store.place.read(f"{store.key(kind, name)}/zarr.json")
    found: dict[str, Any] = {} if content is None else json.loads(content)["attributes"]
    return found


# Digits of a digest that may stand for a model, at least.
DIGITS = 8


def find_models(known: Sequence[ModelSignatures], name: str) -> list[ModelSignatures]:
    """Those of a model called ``name``, or the digest of which begins so."""
    return [
        one
        for one in known
        if one.model == name or (len(name) >= DIGITS and one.name.startswith(name))
    ]
