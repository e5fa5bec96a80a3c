"""Indexes for the nearest among very many sketches, stored by the sketches they hold."""

from collections.abc import Callable, Sequence

import numpy as np
import zarr

from seelike.storage.digest import checksum, digest
from seelike.storage.errors import StorageError
from seelike.storage.store import Store

KIND = "indexes"
CHUNK_BYTES = 64 * 2**20


def name(sketches: Sequence[str], *, way: str) -> str:
    """Compute the digest of the index of ``sketches`` (digests, in order)."""
    return digest({"kind": KIND, "sketches": list(sketches), "way": way})


def kept(
    store: Store, sketches: Sequence[str], *, way: str, make: Callable[[], np.ndarray]
) -> np.ndarray:
    """Read the index of ``sketches``, built and stored by ``make`` if it is new.

    Args:
        store: The store.
        sketches: Digests of the sketches, in order.
        way: Name of the index's format.
        make: Builds the index, as bytes (n,) uint8.

    Returns:
        Its bytes (n,) uint8.

    Raises:
        StorageError: The index is damaged.
    """
    called = name(sketches, way=way)
    with store.lock(called):
        if not store.holds(KIND, called):
            content = make()
            with store.place.atomic_group(store.key(KIND, called)) as draft:
                _write(zarr.open_group(draft, mode="w"), content, sketches=len(sketches))
    group = store.group(KIND, called)
    array = group["content"]
    read = np.asarray(array[:]) if isinstance(array, zarr.Array) else np.empty(0, np.uint8)
    if checksum(read) != group.attrs["checksum"]:
        raise StorageError(
            f"index {store.where(KIND, called)} is damaged; remove it with `seelike store rm "
            f"--what {called[:12]} {store.url}`, the next search makes it again"
        )
    return read


def _write(group: zarr.Group, content: np.ndarray, *, sketches: int) -> None:
    group.attrs.update({"checksum": checksum(content), "sketches": sketches})
    array = group.create_array(
        "content",
        shape=content.shape,
        chunks=(min(len(content), CHUNK_BYTES),),
        dtype="uint8",
        compressors=None,
        dimension_names=["byte"],
    )
    array[:] = content
