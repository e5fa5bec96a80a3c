"""Lineage of figures back to models and images, read from the attributes in the store."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from seelike.storage.arrays import recordings, signatures, xarray_datasets
from seelike.storage.store import KINDS, Store


@dataclass(frozen=True)
class Lineage:
    """An entry that others were made from.

    Attributes:
        kind: A kind of the store, or 'model' or 'image set'.
        name: Its digest.
        of: The model that it belongs to, '' for none.
        facts: What a reader needs to know of it, names with values.
        origins: Lineage of what it was itself made from.
    """

    kind: str
    name: str
    of: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    origins: tuple["Lineage", ...] = ()

    @property
    def stored(self) -> bool:
        """Whether it is an entry of the store."""
        return self.kind in KINDS


def of_comparison(
    store: Store, name: str, models: Mapping[str, str], *, kind: str = xarray_datasets.KIND
) -> Lineage:
    """Lineage of the comparison ``name`` of ``models``, digests of signatures by model."""
    about = store.group(kind, name).attrs
    each = tuple(of_signatures(store, digest, of=model) for model, digest in models.items())
    known = tuple((key, str(about[key])) for key in ("estimator", "interval") if key in about)
    return Lineage(kind, name, facts=known, origins=each)


def of_map(store: Store, name: str, comparison: Lineage) -> Lineage:
    """Lineage of the map ``name``, made from the ``comparison`` of all pairs."""
    about: Any = store.group(xarray_datasets.MAPS, name).attrs
    known = tuple((key, str(about[key])) for key in ("window", "method"))
    return Lineage(xarray_datasets.MAPS, name, facts=known, origins=(comparison,))


def of_signatures(store: Store, name: str, *, of: str) -> Lineage:
    """Lineage of the signatures ``name`` of the model ``of``: recording, model, images."""
    if not store.holds(signatures.KIND, name):
        return Lineage(signatures.KIND, name, of=of)
    about: Any = store.group(signatures.KIND, name).attrs["identity"]
    recorded = {key: value for key, value in about.items() if key != "measure"}
    return Lineage(signatures.KIND, name, of=of, origins=(of_recording(recorded, of=of),))


def of_recording(identity: Mapping[str, Any], *, of: str) -> Lineage:
    """Lineage of the recording of that identity: its model and its images."""
    taps = identity["taps"]
    return Lineage(
        recordings.KIND,
        recordings.name(dict(identity)),
        of=of,
        facts=(
            ("layers", f"{len(taps)}, {taps[0]} to {taps[-1]}"),
            ("reduction", str(identity["reduction"])),
            ("images per batch", str(identity["batch"])),
            ("preprocessing", _settings(identity["preprocessing"])),
        ),
        origins=(of_model(identity["model"], of=of), of_images(identity["images"])),
    )


def of_model(identity: Mapping[str, Any], *, of: str) -> Lineage:
    """Lineage of a network: architecture, arguments, and the digest of its weights as its name."""
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
    """Lineage of an image set, named by the digest of its images' content and order."""
    return Lineage("image set", digest, facts=facts)


def of_anatomy(store: Store, name: str, *, kind: str = xarray_datasets.ANATOMY) -> Lineage:
    """Lineage of one analysis of one model: its model and images."""
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
    """``origin`` as JSON."""
    return asdict(origin)


def from_record(record: Mapping[str, Any]) -> Lineage:
    """The lineage that ``as_record`` wrote."""
    return Lineage(
        record["kind"],
        record["name"],
        record["of"],
        tuple((key, value) for key, value in record["facts"]),
        tuple(from_record(one) for one in record["origins"]),
    )


def format_lineage(origin: Lineage, store: Store, *, depth: int = 0) -> Iterator[str]:
    """Lines of text from ``origin`` down to models and images, with their places in ``store``."""
    pad = "  " * depth
    whose = f" of {origin.of}" if origin.of else ""
    yield f"{pad}{origin.kind}{whose} {origin.name}"
    if origin.stored:
        gone = "" if store.holds(origin.kind, origin.name) else " (not there)"
        yield f"{pad}  in {store.where(origin.kind, origin.name)}{gone}"
    yield from (f"{pad}  {key}: {value}" for key, value in origin.facts)
    for one in origin.origins:
        yield from format_lineage(one, store, depth=depth + 1)


def _settings(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={value[key]}" for key in sorted(value)) or "none"
    return str(value)
