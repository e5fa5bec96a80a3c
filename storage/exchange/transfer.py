"""What two groups give each other: signatures and sketches with their identities.

No images, no weights, no paths. What comes in is never trusted by its word: every volume is made
anew from its identity, by the same code that records, and takes nothing but numbers from outside.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seelike.storage.arrays import signatures, sketches
from seelike.storage.digest import content_digest
from seelike.storage.errors import StorageError
from seelike.storage.exchange import archive as archives
from seelike.storage.exchange.archive import Archive, refused
from seelike.storage.exchange.parcels import FORMAT, ExchangeVolume, parcel, told
from seelike.storage.images import ImageSet
from seelike.storage.store import Store

# Bytes that metadata takes beside the numbers of an archive.
MARGIN_BYTES = 64 * 2**20
# A unit vector in float32 may be so much longer or shorter.
ROUNDING = 1e-3


def send(store: Store, parcels: Sequence[ExchangeVolume], images: ImageSet, path: Path) -> None:
    """Write ``parcels``, all made on ``images``, into an archive at ``path``."""
    manifest = {
        "seelike": FORMAT,
        "images": _described(images),
        "volumes": [one.told for one in parcels],
    }
    archives.write(path, manifest, _contents(store, parcels))


def received(archive: Archive, images: ImageSet) -> list[ExchangeVolume]:
    """What ``archive`` brings, every number of it checked; nothing is written.

    Raises ``StorageError`` for what was made on other images than ``images``, and for whatever
    is not as the code that records would have written it.
    """
    with archives.refusing(archive.path):
        manifest = archive.manifest
        if manifest["seelike"] != FORMAT:
            raise refused(archive.path, f"it has format {manifest['seelike']}, expected {FORMAT}")
        _check_images(manifest["images"], images)
        parcels = [_told(one, images, archive.path) for one in manifest["volumes"]]
        expected = {name: shape for one in parcels for name, shape in one.members.items()}
        sizes = {name: math.prod(s) * np.dtype(t).itemsize for name, (s, t) in expected.items()}
        if sizes != archive.sizes or len(expected) != sum(len(one.members) for one in parcels):
            raise refused(archive.path, "its members are not those of its volumes")
        for one in parcels:
            _check_numbers(one, archive)
    return parcels


def check_room(store: Store, archive: Archive) -> None:
    """Refuse what does not fit: ``StorageError`` with both numbers."""
    needed, free = sum(archive.sizes.values()) + MARGIN_BYTES, store.free_bytes()
    if free is not None and needed > free:
        raise StorageError(
            f"{archive.path} needs {needed / 1e6:.0f} MB in {store.url}, {free / 1e6:.0f} MB are "
            "free; make room, or name another store"
        )


def keep(store: Store, one: ExchangeVolume, archive: Archive) -> bool:
    """Put a checked parcel into the store, whole batches at a time; False if it was there."""
    if parcel(store, one.kind, one.name) is not None:
        return False
    arrays = _arrays(one, archive)
    if one.kind == sketches.KIND:
        kept = sketches.create(
            store,
            one.identity,
            taps=one.taps,
            bounds=one.bounds,
            dimension=one.numbers,
            attributes=one.attributes,
        )
        with store.lock(one.name):
            kept.take(arrays("sketch"), arrays("norm"))
        return True
    signed = signatures.create(
        store,
        one.identity,
        taps=one.taps,
        bounds=one.bounds,
        length=lambda _: one.numbers,
        attributes=one.attributes,
    )
    with store.lock(one.name):
        for batch in signed.missing():
            vectors = zip(arrays(f"direction/{batch}"), arrays(f"norm/{batch}"), strict=True)
            signed.write(batch, dict(zip(one.taps, vectors, strict=True)))
    return True


def _described(images: ImageSet) -> dict[str, Any]:
    """What tells an image set from another: digests alone."""
    return {
        "digest": images.digest,
        "contents": list(images.hashes),
        "ids": content_digest(name.encode() for name in images.ids),
    }


def _check_images(theirs: Mapping[str, Any], images: ImageSet) -> None:
    mine = _described(images)
    if theirs == mine:
        return
    own, other = mine["contents"], theirs["contents"]
    if len(own) != len(other):
        why = f"it has {len(other)} images, {images.source} of the study {len(own)}"
    elif own == other:
        why = "they have the same content under other names; name the files alike"
    elif sorted(own) == sorted(other):
        why = "they are the same in another order; set images.seed as it was there"
    else:
        differing = sum(a != b for a, b in zip(own, other, strict=True))
        why = f"{differing} of {len(own)} images differ"
    raise StorageError(
        f"made on other images (set {str(theirs['digest'])[:12]}) than those of the study "
        f"({mine['digest'][:12]}), nothing was changed: {why}"
    )


def _told(about: Mapping[str, Any], images: ImageSet, path: Path) -> ExchangeVolume:
    try:
        return told(about, images)
    except StorageError as error:  # Of names and batches that no study would have had.
        raise refused(path, str(error)) from error


def _check_numbers(one: ExchangeVolume, archive: Archive) -> None:
    """Unit vectors, or zeros, and their lengths: one after the other, none kept."""
    arrays = _arrays(one, archive)
    if one.kind == sketches.KIND:
        sketch, norms = arrays("sketch"), arrays("norm")
        _check_lengths(one, norms)
        if not np.isfinite(sketch).all():
            raise ValueError(f"a sketch of {one.attributes['model']} is not finite")
        return
    for batch in range(len(one.bounds)):
        directions, norms = arrays(f"direction/{batch}"), arrays(f"norm/{batch}")
        _check_lengths(one, norms)
        squares = np.einsum("tp,tp->t", directions, directions, dtype=np.float64)
        if not (np.abs(squares - (norms > 0)) < ROUNDING).all():
            raise ValueError(f"batch {batch} of {one.attributes['model']} holds no unit vectors")


def _check_lengths(one: ExchangeVolume, norms: np.ndarray) -> None:
    if not (np.isfinite(norms) & (norms >= 0)).all():
        raise ValueError(f"lengths of signatures of {one.attributes['model']} are no lengths")


def _arrays(one: ExchangeVolume, archive: Archive) -> Any:
    """What reads one of its arrays from ``archive``, by the end of its name there."""

    def read(called: str) -> np.ndarray:
        name = f"{one.kind}/{one.name}/{called}"
        shape, dtype = one.members[name]
        return np.frombuffer(archive.read(name), dtype).reshape(shape)

    return read


def _contents(store: Store, parcels: Sequence[ExchangeVolume]) -> Iterator[tuple[str, memoryview]]:
    """Every array of the parcels, little-endian, in the order in which they are told."""
    for one in parcels:
        for name, (_, dtype) in one.members.items():
            yield name, _content(store, one, name.split("/")[2:]).astype(dtype).data.cast("B")


def _content(store: Store, one: ExchangeVolume, called: Sequence[str]) -> np.ndarray:
    if one.kind == sketches.KIND:
        kept = sketches.open_sketches(store, one.name)
        return kept.read() if called == ["sketch"] else kept.lengths()
    array, batch = called
    found = signatures.open_signatures(store, one.name).read(int(batch))
    return found[0 if array == "direction" else 1]
