"""Write signatures and sketches into an archive, and check and import those of another group.

An archive holds no images, weights or paths. An import trusts nothing: the same code that records
creates every entry from its identity, and takes only numbers from the archive.
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
from seelike.storage.exchange.volume import (
    FORMAT,
    ExchangeVolume,
    complete_volume,
    parse_volume,
)
from seelike.storage.images import ImageSet
from seelike.storage.store import Store

# Bytes of metadata beside the numbers of an archive.
MARGIN_BYTES = 64 * 2**20
# Tolerance of the squared length of a unit vector in float32.
ROUNDING = 1e-3


def write_volumes(
    store: Store, volumes: Sequence[ExchangeVolume], images: ImageSet, path: Path
) -> None:
    """Write ``volumes`` of ``store``, all made on ``images``, into an archive at ``path``."""
    manifest = {
        "seelike": FORMAT,
        "images": _described(images),
        "volumes": [one.manifest_entry for one in volumes],
    }
    archives.write(path, manifest, _contents(store, volumes))


def read_volumes(archive: Archive, images: ImageSet) -> list[ExchangeVolume]:
    """Check every number of ``archive`` and list its volumes; writes nothing.

    Args:
        archive: The opened archive.
        images: Image set of the study that imports it.

    Raises:
        StorageError: The archive was made on other images, or something in it is not as a recording
            would have written it.
    """
    with archives.refusing(archive.path):
        manifest = archive.manifest
        if manifest["seelike"] != FORMAT:
            raise refused(archive.path, f"it has format {manifest['seelike']}, expected {FORMAT}")
        _check_images(manifest["images"], images)
        volumes = [_parse(one, images, archive.path) for one in manifest["volumes"]]
        expected = {name: shape for one in volumes for name, shape in one.members.items()}
        sizes = {name: math.prod(s) * np.dtype(t).itemsize for name, (s, t) in expected.items()}
        if sizes != archive.sizes or len(expected) != sum(len(one.members) for one in volumes):
            raise refused(archive.path, "its members do not match its volumes")
        for one in volumes:
            _check_numbers(one, archive)
    return volumes


def check_space(store: Store, archive: Archive) -> None:
    """Raise ``StorageError`` where ``archive`` does not fit into ``store``."""
    needed, free = sum(archive.sizes.values()) + MARGIN_BYTES, store.free_bytes()
    if free is not None and needed > free:
        raise StorageError(
            f"{archive.path} needs {needed / 1e6:.0f} MB in {store.url}, {free / 1e6:.0f} MB are "
            "free; free some space, or name another store"
        )


def store_volume(store: Store, one: ExchangeVolume, archive: Archive) -> bool:
    """Write a checked volume into the store, batch by batch; False if it was there already."""
    if complete_volume(store, one.kind, one.name) is not None:
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
    """Identity of an image set, by digests only."""
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


def _parse(about: Mapping[str, Any], images: ImageSet, path: Path) -> ExchangeVolume:
    try:
        return parse_volume(about, images)
    except StorageError as error:  # A name or a batch size that no study can have.
        raise refused(path, str(error)) from error


def _check_numbers(one: ExchangeVolume, archive: Archive) -> None:
    """Check that vectors have length 1 or 0 and that norms are lengths, one batch at a time."""
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
        raise ValueError(
            f"norms of signatures of {one.attributes['model']} are not all finite and at least 0"
        )


def _arrays(one: ExchangeVolume, archive: Archive) -> Any:
    """Reader of the volume's arrays in ``archive``, by the last parts of their names there."""

    def read(called: str) -> np.ndarray:
        name = f"{one.kind}/{one.name}/{called}"
        shape, dtype = one.members[name]
        return np.frombuffer(archive.read(name), dtype).reshape(shape)

    return read


def _contents(store: Store, volumes: Sequence[ExchangeVolume]) -> Iterator[tuple[str, memoryview]]:
    """Name and little-endian bytes of every array, in the order of the manifest."""
    for one in volumes:
        for name, (_, dtype) in one.members.items():
            yield name, _content(store, one, name.split("/")[2:]).astype(dtype).data.cast("B")


def _content(store: Store, one: ExchangeVolume, called: Sequence[str]) -> np.ndarray:
    if one.kind == sketches.KIND:
        kept = sketches.open_sketches(store, one.name)
        return kept.read() if called == ["sketch"] else kept.lengths()
    array, batch = called
    found = signatures.open_signatures(store, one.name).read(int(batch))
    return found[0 if array == "direction" else 1]
