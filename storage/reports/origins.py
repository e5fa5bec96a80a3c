"""What a figure was drawn from, back to models and images: read from the store's own attributes."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from seelike.storage.arrays import recordings, signatures, xarray_datasets
from seelike.storage.store import KINDS, Store


@dataclass(frozen=True)
class Lineage:
    """One thing that others were made from: its ``kind``, digest (``name``), and its own origins.

    ``kind`` is one of the store's, or ``model`` or ``image set``; ``of`` says whose it is.
    """

    kind: str
    name: str
    of: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    origins: tuple["Lineage", ...] = ()

    @property
    def stored(self) -> bool:
        """Whether it is a thing in the store."""
        return self.kind in KINDS


def of_comparison(
    store: Store, name: str, models: Mapping[str, str], *, kind: str = xarray_datasets.KIND
) -> Lineage:
    """The comparison ``name``, and of ``models`` (signatures' digests by name) all behind it."""
    about = store.group(kind, name).attrs
    each = tuple(of_signatures(store, digest, of=model) for model, digest in models.items())
    known = tuple((key, str(about[key])) for key in ("estimator", "interval") if key in about)
    return Lineage(kind, name, facts=known, origins=each)


def of_map(store: Store, name: str, comparison: Lineage) -> Lineage:
    """The map ``name``, and the ``comparison`` of all pairs that it was made of."""
    about: Any = store.group(xarray_datasets.MAPS, name).attrs
    known = tuple((key, str(about[key])) for key in ("window", "method"))
    return Lineage(xarray_datasets.MAPS, name, facts=known, origins=(comparison,))


def of_signatures(store: Store, name: str, *, of: str) -> Lineage:
    """Signatures, the recording that they were signed from, its model and its images."""
    if not store.holds(signatures.KIND, name):
        return Lineage(signatures.KIND, name, of=of)
    about: Any = store.group(signatures.KIND, name).attrs["identity"]
    recorded = {key: value for key, value in about.items() if key != "measure"}
    return Lineage(signatures.KIND, name, of=of, origins=(of_recording(recorded, of=of),))


def of_recording(identity: Mapping[str, Any], *, of: str) -> Lineage:
    """The recording of that identity, its model and its images."""
    taps = identity["taps"]
    return Lineage(
        recordings.KIND,
        recordings.name(dict(identity)),
        of=of,
        facts=(
            ("taps", f"{len(taps)}, {taps[0]} to {taps[-1]}"),
            ("reduction", str(identity["reduction"])),
            ("images a batch", str(identity["batch"])),
            ("preprocessing", _settings(identity["preprocessing"])),
        ),
        origins=(of_model(identity["model"], of=of), of_images(identity["images"])),
    )


def of_model(identity: Mapping[str, Any], *, of: str) -> Lineage:
    """A network: its architecture, arguments, and its weights' digest as its name."""
    return Lineage(
        "model",
        str(identity["weights"]),
        of=of,
        facts=(
            ("architecture", str(identity["architecture"])),
            ("arguments", _settings(identity["arguments"])),
        ),
    )


def of_images(digest: str, facts: tuple[tuple[str, str], ...] = ()) -> Lineage:
    """An image set, by the digest over its images' content and order."""
    return Lineage("image set", digest, facts=facts)


def of_anatomy(store: Store, name: str, *, kind: str = xarray_datasets.ANATOMY) -> Lineage:
    """One analysis of one model, and its model and images."""
    about: Any = store.group(kind, name).attrs
    model, images = str(about["model"]), about["images"]
    read = (
        ("source", str(images["source"])),
        ("images read", str(images["used"])),
    )
    return Lineage(
        kind,
        name,
        of=model if kind == xarray_datasets.PROBES else f"{about['analysis']} of {model}",
        facts=(("interval", str(about["interval"])),),
        origins=(of_model(about["facts"], of=model), of_images(str(images["digest"]), read)),
    )


def as_record(origin: Lineage) -> dict[str, Any]:
    """``origin`` as JSON has it."""
    return asdict(origin)


def from_record(record: Mapping[str, Any]) -> Lineage:
    """The origin that ``as_record`` wrote."""
    return Lineage(
        record["kind"],
        record["name"],
        record["of"],
        tuple((key, value) for key, value in record["facts"]),
        tuple(from_record(one) for one in record["origins"]),
    )


def told(origin: Lineage, store: Store, *, depth: int = 0) -> Iterator[str]:
    """The chain from ``origin`` to models and images in lines, with where each is in ``store``."""
    pad = "  " * depth
    whose = f" of {origin.of}" if origin.of else ""
    yield f"{pad}{origin.kind}{whose} {origin.name}"
    if origin.stored:
        gone = "" if store.holds(origin.kind, origin.name) else " (not there)"
        yield f"{pad}  in {store.where(origin.kind, origin.name)}{gone}"
    yield from (f"{pad}  {key}: {value}" for key, value in origin.facts)
    for one in origin.origins:
        yield from told(one, store, depth=depth + 1)


def _settings(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={value[key]}" for key in sorted(value)) or "none"
    return str(value)
