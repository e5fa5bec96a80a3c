"""Maintenance of a store: list its entries, verify checksums, remove entries."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seelike.storage.arrays import recordings, signatures, sketch_indexes, sketches, tap_pairs
from seelike.storage.arrays.batched import opened
from seelike.storage.arrays.ledger import opened as opened_ledger
from seelike.storage.errors import StorageError
from seelike.storage.store import KINDS, Store


@dataclass(frozen=True)
class Entry:
    """An entry of a store: its kind, digest, bytes on disk, and a short description."""

    kind: str
    name: str
    size: int
    about: str


@dataclass(frozen=True)
class Fault:
    """A batch whose data do not match the checksums of its ledger."""

    kind: str
    name: str
    batch: int
    message: str


def entries(store: Store) -> Iterator[Entry]:
    """List the entries of ``store`` by kind and digest."""
    for kind in KINDS:
        for name in store.names(kind):
            size = store.place.size(store.key(kind, name))
            yield Entry(kind, name, size, _about(store, kind, name))


def faults(store: Store) -> Iterator[Fault]:
    """Check every complete batch against its checksums and list those that do not match."""
    for name in store.names(recordings.KIND):
        recording = recordings.open_recording(store, name)
        done = _complete(store, recordings.KIND, name)
        for batch, tap in ((b, t) for b in done for t in recording.taps):
            try:
                recording.read(batch, tap)
            except StorageError as error:
                yield Fault(recordings.KIND, name, batch, str(error))
    for name in store.names(signatures.KIND):
        kept = signatures.open_signatures(store, name)
        for batch in _complete(store, signatures.KIND, name):
            try:
                kept.read(batch)
            except StorageError as error:
                yield Fault(signatures.KIND, name, batch, str(error))
    yield from _broken_pairs(store)
    for name in store.names(sketches.KIND):
        yield from _sketch_faults(store, name)


def _broken_pairs(store: Store) -> Iterator[Fault]:
    for name in store.names(tap_pairs.KIND):
        made = tap_pairs.open_pairs(store, name)
        for block in sorted(set(range(len(made.blocks))) - set(made.missing())):
            try:
                made.read(block)
            except StorageError as error:
                yield Fault(tap_pairs.KIND, name, block, str(error))


def _sketch_faults(store: Store, name: str) -> Iterator[Fault]:
    """First fault of one model's sketches, or of the parts that they are the sum of."""
    kept = sketches.open_sketches(store, name)
    last = len(kept.bounds)
    batch = last
    try:
        if kept.complete:
            kept.read()
            kept.lengths()
        for batch in [] if kept.complete else sorted(set(range(last)) - set(kept.missing())):
            kept.part(batch)
    except StorageError as error:
        yield Fault(sketches.KIND, name, batch, str(error))


def mend(store: Store, fault: Fault) -> None:
    """Mark the batch of ``fault`` as missing, so that the next run computes it again.

    For sketches all batches are marked, since the parts of the sum are no longer stored.
    """
    if fault.kind == sketches.KIND:
        sketches.open_sketches(store, fault.name).forget()
        return
    if fault.kind == tap_pairs.KIND:
        tap_pairs.open_pairs(store, fault.name).ledger.forget(fault.batch)
        return
    opened(store, fault.kind, fault.name).ledger.forget(fault.batch)


def remove(store: Store, what: str) -> list[Entry]:
    """Remove one entry, or all entries of a kind.

    Args:
        store: The store.
        what: The first 8 or more digits of a digest, or a kind.

    Returns:
        The removed entries.

    Raises:
        StorageError: No entry matches, or several do.
    """
    present = list(entries(store))
    if what in KINDS:
        matching = [entry for entry in present if entry.kind == what]
    else:
        matching = [entry for entry in present if len(what) >= 8 and entry.name.startswith(what)]
        if len({entry.name for entry in matching}) != 1:
            raise StorageError(
                f"{what!r} matches {len(matching)} entries in {store.url}; give 8 or more digits "
                f"of a digest that `seelike store ls` shows, or one of {', '.join(KINDS)}"
            )
    for entry in matching:
        store.place.remove(store.key(entry.kind, entry.name))
    return matching


def _complete(store: Store, kind: str, name: str) -> list[int]:
    rows = np.asarray(opened(store, kind, name).ledger.array[:])
    return [int(b) for b in np.flatnonzero(rows[:, -1] == 1)]


def _about(store: Store, kind: str, name: str) -> str:
    if kind in (recordings.KIND, signatures.KIND):
        group = store.group(kind, name)
        ledger = opened_ledger(group, place=store.place, key=store.key(kind, name))
        left = len(ledger.missing())
        state = "complete" if not left else f"{ledger.batches - left} of {ledger.batches} batches"
        measure = f", {group.attrs['measure']}" if "measure" in group.attrs else ""
        return f"{group.attrs.get('model', '?')}{measure}, {state}"
    if kind == tap_pairs.KIND:
        made = tap_pairs.open_pairs(store, name)
        left = len(made.missing())
        state = (
            "complete" if not left else f"{len(made.blocks) - left} of {len(made.blocks)} blocks"
        )
        return f"{len(made.rows)} layers, {state}"
    if kind == sketches.KIND:
        kept = sketches.open_sketches(store, name)
        left = len(kept.missing())
        state = "complete" if kept.complete else f"{len(kept.bounds) - left} batches, not added up"
        size = kept.array("sketch").shape[1]
        return f"{kept.group.attrs.get('model', '?')}, {size} numbers per layer, {state}"
    if kind == sketch_indexes.KIND:
        return f"of the sketches of {store.group(kind, name).attrs.get('sketches', '?')} models"
    if kind in ("comparisons", "measures", "maps"):
        known = store.group(kind, name).attrs
        return str(known.get("study", known.get("measure", "?")))
    if kind == "anatomy":
        known = store.group(kind, name).attrs
        return f"{known.get('analysis', '?')} of {known.get('model', '?')}"
    if kind == "probes":
        known = store.group(kind, name).attrs
        return str(known.get("model", "?"))
    return ""
