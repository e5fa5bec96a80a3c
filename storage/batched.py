"""What recordings and signatures share: made whole, grown batch by batch, checked when read."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from storage import ledger
from storage.batches import Bounds
from storage.digest import digest
from storage.errors import StorageError
from storage.ledger import Ledger
from storage.store import Store, group, publish


def name(kind: str, identity: dict[str, Any]) -> str:
    """The digest under which a recording or signatures of ``identity`` are kept."""
    return digest({"kind": kind, **identity})


def make(
    store: Store,
    kind: str,
    identity: dict[str, Any],
    *,
    attributes: dict[str, Any],
    batches: int,
    columns: int,
    arrays: Callable[[zarr.Group], None],
) -> Path:
    """The folder of the group that ``identity`` names, made with its metadata if it is new.

    It is prepared beside its place and renamed into it, so that it is there whole or not at
    all; two processes that make one thing take turns.
    """
    called = name(kind, identity)
    place = store.path(kind, called)
    with store.lock(called):
        if place.exists():
            return place
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{called}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        made = group(draft, mode="w")
        made.attrs.update({"identity": identity, **attributes})
        ledger.create(made, folder=draft, batches=batches, columns=columns)
        arrays(made)
        publish(draft, place)
    return place


@dataclass(frozen=True)
class Batched:
    """An opened recording or signatures of one model. ``taps`` are in the order they fire."""

    name: str
    folder: Path
    group: zarr.Group
    ledger: Ledger
    taps: tuple[str, ...]
    bounds: tuple[Bounds, ...]

    def missing(self) -> list[int]:
        """The batches that are not complete, in order."""
        return self.ledger.missing()


def opened(store: Store, kind: str, called: str) -> Batched:
    """The thing of that kind and digest, for writing; ``StorageError`` where there is none."""
    place = store.path(kind, called)
    if not place.is_dir():
        raise StorageError(
            f"{kind} {called[:12]} is not in {store.root}; run the study that made it again"
        )
    found = group(place, mode="r+")
    taps: Any = found.attrs["taps"]
    bounds: Any = found.attrs["bounds"]
    return Batched(
        name=called,
        folder=place,
        group=found,
        ledger=ledger.opened(found, folder=place),
        taps=tuple(taps),
        bounds=tuple((int(start), int(stop)) for start, stop in bounds),
    )


def member(opened_group: zarr.Group, array_name: str) -> zarr.Array:  # type: ignore[type-arg]
    """The array ``name`` of a group, for writing: all-fill chunks are written too.

    Zarr leaves out chunks that equal the fill value unless told so, each time it is opened.
    """
    array = opened_group.get(array_name)
    if not isinstance(array, zarr.Array):
        known = [k for k in opened_group.array_keys() if k != ledger.NAME]
        raise StorageError(f"array {array_name!r} is not in {opened_group.store}; it has {known}")
    return array.with_config({"write_empty_chunks": True})


def chunk_files(folder: Path, array: zarr.Array, start: int, stop: int, *, axis: int) -> list[Path]:  # type: ignore[type-arg]
    """The chunk files that hold ``start:stop`` along ``axis``."""
    grid = [range(-(-n // c)) for n, c in zip(array.shape, array.chunks, strict=True)]
    size = array.chunks[axis]
    grid[axis] = range(start // size, -(-stop // size))
    places = np.stack(np.meshgrid(*grid, indexing="ij"), -1).reshape(-1, len(grid))
    root = folder / array.basename / "c"
    return [root.joinpath(*map(str, place)) for place in places]
