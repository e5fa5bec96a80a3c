"""Exchange volumes: signatures or sketches of one model, as an archive holds them."""

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
ENTRY_KEYS = {"kind", "name", "identity", "attributes", "numbers"}
IDENTITY = {"images", "model", "preprocessing", "taps", "reduction", "batch", "dtype"}
OPTIONAL = {"measure", "sketch"}
# Attributes beside a volume's numbers, and those of its facts that a report reads.
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
    """Signatures or sketches of one model in an archive.

    Attributes:
        kind: ``signatures`` or ``sketches``.
        name: Digest of ``identity``.
        identity: Image set, model, preprocessing, taps, reduction, batch and dtype.
        attributes: Label of the model, facts of its network, depths, measure.
        taps: Taps in firing order.
        bounds: First and last image of each batch.
        numbers: Length of a tap's vector: per batch for signatures, in all for sketches.
    """

    kind: str
    name: str
    identity: dict[str, Any]
    attributes: dict[str, Any]
    taps: tuple[str, ...]
    bounds: tuple[Bounds, ...]
    numbers: int

    @property
    def manifest_entry(self) -> dict[str, Any]:
        """Entry of the volume in the manifest of an archive."""
        return {key: getattr(self, key) for key in sorted(ENTRY_KEYS)}

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


def complete_volume(store: Store, kind: str, name: str) -> ExchangeVolume | None:
    """Describe the entry ``name`` of ``kind`` for export; None where it is absent or incomplete."""
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


def parse_volume(about: Mapping[str, Any], images: ImageSet) -> ExchangeVolume:
    """Read an entry of a manifest.

    Args:
        about: The entry, as ``ExchangeVolume.manifest_entry``.
        images: Image set of the study that imports it.

    Raises:
        ValueError, KeyError or TypeError: The entry is malformed, or no recording has its values.
    """
    kind, identity, attributes = about["kind"], about["identity"], about["attributes"]
    model, numbers = label(attributes["model"]), about["numbers"]
    if (
        kind not in EXCHANGED
        or set(about) != ENTRY_KEYS
        or not set(identity) - OPTIONAL == IDENTITY
    ):
        raise ValueError(
            f"entry {kind!r} of {model} does not follow exchange format {FORMAT}; expected keys "
            f"{', '.join(sorted(ENTRY_KEYS))}, and an identity of {', '.join(sorted(IDENTITY))}"
        )
    if about["name"] != batched.name(kind, identity) or identity["images"] != images.digest:
        raise ValueError(f"the digest of {model} does not match its identity")
    taps = identity["taps"]
    if not isinstance(taps, list) or not taps or len(set(map(tap_file, taps))) < len(taps):
        raise ValueError(f"the layers of {model} are not a list of distinct names")
    bounds = batches(len(images), identity["batch"])
    longest = max(stop - start for start, stop in bounds)
    if kind == sketches.KIND:
        least = most = identity["sketch"]["dimension"]
    elif "measure" in identity:
        least, most = 1, longest**2
    else:
        least = most = longest * (longest - 1) // 2
    if type(numbers) is not int or not max(1, least) <= numbers <= most:
        raise ValueError(f"{numbers} numbers per layer of {model}, expected {least} to {most}")
    _check_attributes(attributes, taps=len(taps), measure=identity.get("measure", "cka"))
    return ExchangeVolume(
        kind, about["name"], identity, attributes, tuple(taps), tuple(bounds), numbers
    )


def _check_attributes(attributes: Mapping[str, Any], *, taps: int, measure: str) -> None:
    model, facts = attributes["model"], attributes["facts"]
    if not set(attributes) <= set(ATTRIBUTES) or attributes["measure"] != measure:
        raise ValueError(f"attributes of {model} are not among {', '.join(ATTRIBUTES)}")
    if not all(isinstance(facts[key], kind) for key, kind in FACTS.items()):
        raise ValueError(
            f"facts of {model} lack one of {', '.join(FACTS)}, or one has another type"
        )
    if attributes.get("baseline_of"):
        label(attributes["baseline_of"])
    depths = attributes.get("depths", [0.0] * taps)
    if len(depths) != taps or not all(0 <= float(depth) <= 1 for depth in depths):
        raise ValueError(f"depths of {model} are not one number from 0 to 1 per layer")
