"""Similarity of all pairs of very many taps, in blocks: a Zarr array chunked over both axes.

A block of rows and columns is written whole, with its mirror image, and then marked in a ledger: a
killed run continues at the next block, and memory holds one block, not all pairs. The coordinates
of a comparison stand beside it, so that it opens with ``xarray.open_zarr``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr

from seelike.storage.arrays import ledger, xarray_datasets
from seelike.storage.arrays.ledger import Ledger
from seelike.storage.arrays.xarray_datasets import as_kept
from seelike.storage.digest import checksum
from seelike.storage.errors import StorageError
from seelike.storage.places.place import Place
from seelike.storage.store import Store

KIND = "pairs"
# Group of the ledger, which xarray does not see.
BLOCKS = "blocks"
DIMS = ("tap_a", "tap_b")
# Least and most taps along the edge of a block; between them an eighth of all taps.
LEAST, MOST = 64, 2048

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pairs:
    """Opened similarity of all pairs; ``rows`` are (digest of signatures, number of the tap)."""

    name: str
    place: Place
    key: str
    group: zarr.Group
    ledger: Ledger
    rows: tuple[tuple[str, int], ...]
    edge: int
    variables: tuple[str, ...]

    @property
    def where(self) -> str:
        """Path or URL of the entry, for messages and for other programs."""
        return f"{self.place.url}/{self.key}"

    @property
    def settings(self) -> dict[str, Any]:
        """Identity without rows and labels: the settings of the computation."""
        known: Any = self.group.attrs["identity"]
        return {key: value for key, value in known.items() if key not in ("rows", "labels")}

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Blocks on and above the diagonal, as (block of rows, block of columns)."""
        return list(combinations_with_replacement(range(-(-len(self.rows) // self.edge)), 2))

    def missing(self) -> list[int]:
        """Numbers of the incomplete blocks."""
        return self.ledger.missing()

    def taps_of(self, side: int) -> range:
        """Taps of the ``side``-th block of rows, or of columns."""
        return range(side * self.edge, min((side + 1) * self.edge, len(self.rows)))

    def write(self, block: int, values: Mapping[str, Float32]) -> None:
        """Write one block of every variable, (rows, columns) float32, and its mirror image."""
        i, j = self.blocks[block]
        self.place.write_all(
            (f"{self.key}/{name}/c/{place}", self._chunk(piece))
            for name in self.variables
            for place, piece in {f"{j}/{i}": values[name].T, f"{i}/{j}": values[name]}.items()
        )
        self.ledger.mark(block, [checksum(values[name]) for name in self.variables])

    def read(self, block: int) -> dict[str, Float32]:
        """Read a complete block of every variable, checked; ``StorageError`` where damaged."""
        i, j = self.blocks[block]
        found, expected = {}, self.ledger.checksums(block)
        for name, total in zip(self.variables, expected, strict=True):
            found[name] = self._read(name, self.taps_of(i), self.taps_of(j))
            if checksum(found[name]) != total:
                raise StorageError(
                    f"array {name!r} of {self.where} is damaged in block {block}; mend it with "
                    f"`seelike store verify --mend {self.place.url}`, then run the study again"
                )
        return found

    def rows_of(self, start: int, stop: int, *, variable: str = "cka") -> Float32:
        """Read rows ``start`` to ``stop`` (stop - start, T) of one variable.

        Raises:
            StorageError: Part of them was never written.
        """
        found = self._read(variable, range(start, stop), range(len(self.rows)))
        if np.isnan(found).any():
            raise StorageError(f"{self.where} is not complete; run its study again to continue")
        return found

    def cells(self, rows: Sequence[int], columns: Sequence[int], *, variable: str) -> Float32:
        """Read one variable at ``rows`` x ``columns``, in any order."""
        array: Any = self.group[variable]
        return np.asarray(array.oindex[list(rows), list(columns)])

    def dataset(self) -> xr.Dataset:
        """Open the complete pairs as an xarray Dataset, lazily."""
        if left := len(self.missing()):
            raise StorageError(
                f"{self.where} lacks {left} of {len(self.blocks)} blocks; run its study again to "
                "continue there"
            )
        found: xr.Dataset = xr.open_zarr(self.place.zarr_store(self.key), consolidated=False)
        return found

    def _read(self, name: str, rows: range, columns: range) -> Float32:
        array: Any = self.group[name]
        return np.asarray(array[rows.start : rows.stop, columns.start : columns.stop])

    def _chunk(self, values: Float32) -> memoryview:
        whole = np.full((self.edge, self.edge), np.nan, np.float32)
        whole[: values.shape[0], : values.shape[1]] = values
        return whole.data.cast("B")


def edge_of(taps: int) -> int:
    """Compute taps along the edge of a block, so that workers share the blocks."""
    return min(MOST, max(LEAST, -(-taps // 8)))


def create(
    store: Store,
    identity: Mapping[str, Any],
    *,
    rows: Sequence[tuple[str, int]],
    labels: Sequence[Any],
    coordinates: Mapping[str, Any],
    variables: Sequence[str],
    attributes: Mapping[str, Any],
) -> Pairs:
    """Open the pairs of ``identity`` and ``rows``, created with empty arrays if they are new.

    Args:
        store: The store.
        identity: Settings of the computation, JSON-able.
        rows: Digest of signatures and number of the tap, for each row.
        labels: Labels of the rows, JSON-able; part of the digest, not of the computation.
        coordinates: Coordinates of the dataset.
        variables: Names of the arrays (T, T) float32.
        attributes: Attributes of the dataset.
    """
    named = {**identity, "rows": _grouped(rows), "labels": list(labels)}
    called = xarray_datasets.name(named, kind=KIND)
    with store.lock(called):
        if not store.holds(KIND, called):
            edge = edge_of(len(rows))
            with store.place.atomic_group(store.key(KIND, called)) as draft:
                known = {**attributes, "identity": named, "edge": edge, "variables": [*variables]}
                empty = as_kept(xr.Dataset(coords=dict(coordinates), attrs=known))
                empty.to_zarr(draft, mode="w", consolidated=False, zarr_format=3)
                _empty(zarr.open_group(draft, mode="a"), len(rows), edge, variables)
    return open_pairs(store, called)


def _grouped(rows: Sequence[tuple[str, int]]) -> list[list[Any]]:
    """Group taps of the same signatures, since a digest is long and taps are many."""
    return [[one, [tap for _, tap in taps]] for one, taps in groupby(rows, key=lambda row: row[0])]


def _empty(group: zarr.Group, taps: int, edge: int, variables: Sequence[str]) -> None:
    for name in variables:
        group.create_array(
            name,
            shape=(taps, taps),
            chunks=(edge, edge),
            dtype="float32",
            fill_value=float("nan"),
            compressors=None,
            dimension_names=DIMS,
        )
    sides = -(-taps // edge)
    made = group.create_group(BLOCKS)
    ledger.create(made, batches=sides * (sides + 1) // 2, columns=len(variables))


def open_pairs(store: Store, name: str) -> Pairs:
    """Open pairs by digest, complete or not; ``StorageError`` where they do not exist."""
    if not store.holds(KIND, name):
        raise StorageError(f"pairs {name[:12]} are not in {store.url}; run their study again")
    key, group = store.key(KIND, name), store.group(KIND, name)
    known: Any = group.attrs
    marks: Any = group[BLOCKS]
    return Pairs(
        name=name,
        place=store.place,
        key=key,
        group=group,
        ledger=ledger.opened(marks, place=store.place, key=f"{key}/{BLOCKS}"),
        rows=tuple((str(one), int(tap)) for one, taps in known["identity"]["rows"] for tap in taps),
        edge=int(known["edge"]),
        variables=tuple(known["variables"]),
    )


def most_alike(store: Store, pairs: Pairs) -> str | None:
    """Find the complete pairs of the same settings that share most rows; None without any."""
    shared: dict[str, int] = {}
    for name in store.names(KIND):
        other = open_pairs(store, name)
        if name != pairs.name and other.settings == pairs.settings and not other.missing():
            shared[name] = len(set(other.rows) & set(pairs.rows))
    best = max(shared, key=lambda name: (shared[name], name), default=None)
    return best if best is not None and shared[best] else None
