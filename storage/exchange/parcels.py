"""Parcels: what leaves a store for another one, of the signatures or sketches of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seelike.storage.arrays import batched, signatures, sketches
from seelike.storage.arrays.batches import Bounds, batches
from seelike.storage.digest import label, tap_file
from seelike.storage.images import ImageSet
from seelike.storage.store import Store

FORMAT = 1
EXCHANGED = (signatures.KIND, sketches.KIND)
TOLD = {"kind", "name", "identity", "attributes", "numbers"}
IDENTITY = {"images", "model", "preprocessing", "taps", "reduction", "batch", "dtype"}
OPTIONAL = {"measure", "sketch"}
# What stands beside a volume's numbers; and of it what a report reads of the network.
ATTRIBUTES = ("model", "facts", "depths", "baseline_of", "measure")
FACTS: dict[str, type] = {
    "family": str,
    "architecture": str,
    "arguments": dict,
    "input": list,
    "parameters": int,
    "weights": str,
    "trained": bool,
}


@dataclass(frozen=True)
class ExchangeVolume:
    """One volume on its way: ``numbers`` a tap, or a tap and batch for signatures."""

    kind: str
    name: str
    identity: dict[str, Any]
    attributes: dict[str, Any]
    taps: tuple[str, ...]
    bounds: tuple[Bounds, ...]
    numbers: int

    @property
    def told(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {key: getattr(self, key) for key in sorted(TOLD)}

    @cached_property
    def members(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and type of each of its arrays, by their name in an archive."""
        taps, count, root = len(self.taps), len(self.bounds), f"{self.kind}/{self.name}"
        if self.kind == sketches.KIND:
            return {
                f"{root}/sketch": ((taps, self.numbers), "<f4"),
                f"{root}/norm": ((taps, count), "<f8"),
            }
        return {
            f"{root}/{array}/{batch}": shape
            for batch in range(count)
            for array, shape in (
                ("direction", ((taps, self.numbers), "<f4")),
                ("norm", ((taps,), "<f8")),
            )
        }


def parcel(store: Store, kind: str, name: str) -> ExchangeVolume | None:
    """The volume of that kind and digest as it may leave; None unless it is complete."""
    if not store.holds(kind, name):
        return None
    kept = batched.opened(store, kind, name)
    if kind == sketches.KIND:
        complete = sketches.open_sketches(store, name).complete
        numbers = kept.array("sketch").shape[1]
    else:
        complete, numbers = not kept.missing(), kept.array("direction").shape[2]
    about: Any = kept.group.attrs
    attributes = {key: about[key] for key in ATTRIBUTES if key in about}
    if not complete:
        return None
    return ExchangeVolume(
        kind, name, about["identity"], attributes, kept.taps, kept.bounds, int(numbers)
    )


def told(about: Mapping[str, Any], images: ImageSet) -> ExchangeVolume:
    """A volume as a manifest tells it (``told`` of a parcel), of the image set ``images``.

    Raises ``ValueError``, or another error of what is no such mapping, for what no recording has.
    """
    kind, identity, attributes = about["kind"], about["identity"], about["attributes"]
    model, numbers = label(attributes["model"]), about["numbers"]
    if kind not in EXCHANGED or set(about) != TOLD or not set(identity) - OPTIONAL == IDENTITY:
        raise ValueError(f"{kind!r} of {model} is not as seelike {FORMAT} tells it")
    if about["name"] != batched.name(kind, identity) or identity["images"] != images.digest:
        raise ValueError(f"the digest of {model} is not that of its identity")
    taps = identity["taps"]
    if not isinstance(taps, list) or not taps or len(set(map(tap_file, taps))) < len(taps):
        raise ValueError(f"the taps of {model} are not names, all different")
    bounds = batches(len(images), identity["batch"])
    longest = max(stop - start for start, stop in bounds)
    if kind == sketches.KIND:
        least = most = identity["sketch"]["dimension"]
    elif "measure" in identity:
        least, most = 1, longest**2
    else:
        least = most = longest * (longest - 1) // 2
    if type(numbers) is not int or not max(1, least) <= numbers <= most:
        raise ValueError(f"{numbers} numbers a tap of {model}, expected {least} to {most}")
    _check_attributes(attributes, taps=len(taps), measure=identity.get("measure", "cka"))
    return ExchangeVolume(
        kind, about["name"], identity, attributes, tuple(taps), tuple(bounds), numbers
    )


def _check_attributes(attributes: Mapping[str, Any], *, taps: int, measure: str) -> None:
    model, facts = attributes["model"], attributes["facts"]
    if not set(attributes) <= set(ATTRIBUTES) or attributes["measure"] != measure:
        raise ValueError(f"attributes of {model} are not {', '.join(ATTRIBUTES)}")
    if not all(isinstance(facts[key], kind) for key, kind in FACTS.items()):
        raise ValueError(f"facts of {model} are not those that a survey finds")
    if attributes.get("baseline_of"):
        label(attributes["baseline_of"])
    depths = attributes.get("depths", [0.0] * taps)
    if len(depths) != taps or not all(0 <= float(depth) <= 1 for depth in depths):
        raise ValueError(f"depths of {model} are not one from 0 to 1 for each tap")
