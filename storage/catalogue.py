"""Catalogue of a store: signatures and sketches of every model, by their attributes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seelike.storage.arrays import signatures, sketches
from seelike.storage.digest import digest
from seelike.storage.store import Store

# Parts of the identity that two models have to share for their signatures to be comparable.
SETTING = ("images", "batch", "reduction")


@dataclass(frozen=True, eq=False)
class ModelSignatures:
    """CKA signatures of one model, or sketches of them, not opened.

    Attributes:
        kind: ``signatures`` or ``sketches``.
        name: Digest under which the store has them.
        model: Label of the model.
        taps: Taps in firing order.
        depths: Depth of each tap, 0 to 1; None in stores of versions without depths.
        identity: Image set, model, preprocessing, taps, reduction, batch, dtype.
        facts: Facts of the network, such as its family.
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
        """Image set, batch and reduction; signatures of one setting can be compared."""
        return tuple(self.identity[key] for key in SETTING)

    @property
    def signed(self) -> dict[str, Any]:
        """Identity of the signatures, for sketches of the signatures behind them."""
        return {key: value for key, value in self.identity.items() if key != "sketch"}

    @property
    def projection(self) -> Any:
        """Random projection of a sketch; None for signatures."""
        return self.identity.get("sketch")

    @cached_property
    def network(self) -> str:
        """Digest of network, images and preprocessing, whatever the taps."""
        return digest({key: value for key, value in self.signed.items() if key != "taps"})


def model_signatures(store: Store, *kinds: str) -> Iterator[ModelSignatures]:
    """List signatures and sketches of all models in ``store``, by kind and digest.

    Only attributes are read: one small file per entry.

    Args:
        store: The store.
        kinds: ``signatures``, ``sketches`` or both; both if left out.
    """
    for kind in kinds or (signatures.KIND, sketches.KIND):
        for name in store.names(kind):
            about = _attributes(store, kind, name)
            identity = about.get("identity", {})
            # Leave out signatures of other measures, and those of the images themselves.
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
    """Attributes of a Zarr group, read from its metadata file without opening the group."""
    content = store.place.read(f"{store.key(kind, name)}/zarr.json")
    found: dict[str, Any] = {} if content is None else json.loads(content)["attributes"]
    return found


# Least number of digits of a digest that name an entry.
DIGITS = 8


def find_models(known: Sequence[ModelSignatures], name: str) -> list[ModelSignatures]:
    """Find entries by their model's label, or by the first digits (8 or more) of their digest."""
    return [
        one
        for one in known
        if one.model == name or (len(name) >= DIGITS and one.name.startswith(name))
    ]
