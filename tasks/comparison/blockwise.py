"""CKA of all pairs of very many taps, block by block: a new model adds its rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.similarity.blockwise import block_cka, block_parts
from seelike.analysis.similarity.intervals.cka_intervals import batch_groups
from seelike.analysis.similarity.intervals.jackknife import LEVEL
from seelike.analysis.similarity.significance.permutations import batch_weights
from seelike.storage.arrays import tap_pairs
from seelike.storage.arrays.signatures import Signatures, open_signatures
from seelike.storage.arrays.tap_pairs import Pairs
from seelike.storage.store import Store, open_store
from seelike.tasks.comparison.taps import check_same_images, left_out_taps, tap_labels, varying_taps
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.runtime import dask_cluster
from seelike.tasks.runtime.cancellation import check
from seelike.tasks.runtime.retries import RETRIES
from seelike.tasks.runtime.threads import one_blas_thread
from seelike.tasks.step_results import PairsResult, SignaturesResult

MEASURE = "cka"
VALUE, LOW, HIGH = "cka", "cka_low", "cka_high"


@task(task_run_name="pairs of all taps", cache_policy=NO_CACHE, **RETRIES)
def compare_blocks(
    results: Sequence[SignaturesResult],
    *,
    store: str,
    skip_degenerate: bool,
    provenance: dict[str, Any],
    dask: str | None,
) -> PairsResult:
    """Compute CKA of every pair of taps of all models, block by block, except what the store has.

    Args:
        results: Signatures of the models, in the study's order.
        store: The store's URL.
        skip_degenerate: Leave out taps that are constant over the images.
        provenance: Attributes: images, models and settings.
        dask: The address of a Dask scheduler; None computes here.

    Returns:
        The pairs, and how many blocks were computed.

    Raises:
        AnalysisError: For taps that are constant over the images, unless they are skipped, and for
            models that were recorded on different images.
    """
    plans = [one.plan for one in results]
    check_same_images([(plan.name, plan.identity) for plan in plans])
    opened = open_store(store)
    made = create_pairs(opened, plans, skip=skip_degenerate, attributes=provenance)
    return PairsResult(store, made.name, computed=compute_missing(opened, made, dask=dask))


def create_pairs(
    store: Store, plans: Sequence[ModelPlan], *, skip: bool, attributes: dict[str, Any]
) -> Pairs:
    """Create the pairs of all taps of ``plans`` with empty blocks, or open those that are there."""
    present = varying_taps(store, plans, skip=skip)
    every = [(plan.signatures(MEASURE), tap) for plan in plans for tap in range(len(plan.taps))]
    several = batch_groups(len(plans[0].bounds), plans[0].batch_images) is not None
    return tap_pairs.create(
        store,
        {"measure": MEASURE, "interval": ["jackknife", LEVEL]},
        rows=[every[int(i)] for i in present],
        # Part of the identity, since it is kept beside: a changed label gives a new entry.
        labels=[[plan.name, plan.facts.get("origin")] for plan in plans],
        coordinates={
            f"{key}_{side}": (f"tap_{side}", values)
            for side in ("a", "b")
            for key, values in tap_labels(plans, present).items()
        },
        variables=(VALUE, LOW, HIGH) if several else (VALUE,),
        attributes={
            **attributes,
            "left_out_taps": left_out_taps(plans, present),
            "estimator": "minibatch CKA, unbiased HSIC (Song 2012; Nguyen 2021), linear kernel",
            "interval": f"{LEVEL:.0%}, jackknife over {len(plans[0].bounds)} batches",
            "signatures": {plan.name: plan.signatures(MEASURE) for plan in plans},
        },
    )


def compute_missing(store: Store, made: Pairs, *, dask: str | None) -> int:
    """Compute the missing blocks, here or on a cluster's workers; return how many there were."""
    with store.lock(f"{made.name}-blocks"):
        missing = made.missing()
        known = tap_pairs.most_alike(store, made) if missing else None
        steps = [
            partial(compute_block, store.url, made.name, block, known=known) for block in missing
        ]
        dask_cluster.run_all(dask, "pairs of all taps", steps)
    return len(missing)


def compute_block(store: str, name: str, block: int, *, known: str | None = None) -> None:
    """Compute and write one block, except those pairs that the entry ``known`` has."""
    check("comparing all pairs")
    opened = open_store(store)
    made = tap_pairs.open_pairs(opened, name)
    i, j = made.blocks[block]
    rows, columns = made.taps_of(i), made.taps_of(j)
    values = {one: np.empty((len(rows), len(columns)), np.float32) for one in made.variables}
    old_rows, old_columns = _copy_known(opened, known, made, rows, columns, values)
    new_rows, new_columns = (_without(*both) for both in ((rows, old_rows), (columns, old_columns)))
    with one_blas_thread():
        for some, others in ((new_rows, list(columns)), (old_rows, new_columns)):
            if some and others:
                place = _place(rows, some, columns, others)
                for one, found in compute_cells(opened, made, some, others).items():
                    values[one][place] = found
    if i == j:
        for found in values.values():
            found[:] = (found + found.T) / 2  # Symmetric to the last bit.
    for row, own in enumerate(rows):
        # A layer with itself, or with its copy where a network stands in a study twice.
        same = [other - columns.start for other in columns if made.rows[other] == made.rows[own]]
        for found in values.values():
            found[row, same] = 1.0
    made.write(block, values)


def _place(
    rows: range, some: list[int], columns: range, others: list[int]
) -> tuple[np.ndarray, ...]:
    """Index ``some`` x ``others`` within the block of ``rows`` and ``columns``."""
    return np.ix_([at - rows.start for at in some], [at - columns.start for at in others])


def _without(every: range, known: list[int]) -> list[int]:
    return sorted(set(every) - set(known))


def _copy_known(
    store: Store,
    known: str | None,
    made: Pairs,
    rows: range,
    columns: range,
    values: dict[str, np.ndarray],
) -> tuple[list[int], list[int]]:
    """Copy the values that the entry ``known`` has; return its rows and columns in this block."""
    if known is None:
        return [], []
    other = tap_pairs.open_pairs(store, known)
    place = {row: at for at, row in enumerate(other.rows)}
    some, others = ([at for at in side if made.rows[at] in place] for side in (rows, columns))
    if some and others:
        there = [[place[made.rows[at]] for at in side] for side in (some, others)]
        here = _place(rows, some, columns, others)
        for one in made.variables:
            values[one][here] = other.cells(*there, variable=one)
        return some, others
    return [], []


def compute_cells(
    store: Store, made: Pairs, rows: Sequence[int], columns: Sequence[int]
) -> dict[str, np.ndarray]:
    """Compute every variable at ``rows`` x ``columns``: a product per batch, then their sums."""
    a, b = (Operand.of(store, [made.rows[at] for at in side]) for side in (rows, columns))
    parts = np.empty((a.batches, len(rows), len(columns)), np.float32)
    for batch in range(a.batches):
        check("comparing all pairs")
        block_parts(
            a.read(batch), b.read(batch), a.weights[batch], b.weights[batch], out=parts[batch]
        )
    value, interval = block_cka(parts, a.weights, b.weights, images=a.images)
    found = {VALUE: value}
    if interval is not None:
        found |= {LOW: interval[0], HIGH: interval[1]}
    return found


@dataclass(frozen=True)
class Operand:
    """Taps of several models, read as one array per batch.

    Attributes:
        kept: Signatures of each model, and the taps that are read.
        weights: What each batch counts for each tap, (batches, taps).
        held: Memory for one batch, (taps, pairs) float32.
    """

    kept: tuple[tuple[Signatures, tuple[int, ...]], ...]
    weights: np.ndarray
    held: np.ndarray

    @classmethod
    def of(cls, store: Store, rows: Sequence[tuple[str, int]]) -> "Operand":
        """Open the taps ``rows``, (digest of signatures, tap) each; those of one model together."""
        kept = tuple(
            (open_signatures(store, name), tuple(tap for _, tap in group))
            for name, group in groupby(rows, key=lambda row: row[0])
        )
        norms = np.concatenate([one.lengths()[list(taps)] for one, taps in kept])
        held = np.empty((len(rows), kept[0][0].pairs), np.float32)
        return cls(kept, batch_weights(norms.T), held)

    @property
    def batches(self) -> int:
        """Number of batches."""
        return len(self.weights)

    @property
    def images(self) -> list[int]:
        """Number of images of each batch."""
        return [stop - start for start, stop in self.kept[0][0].bounds]

    def read(self, batch: int) -> np.ndarray:
        """Read directions (taps, pairs) float32 of one batch; valid until the next one is read."""
        for into, one, taps in self._places():
            if taps == tuple(range(len(one.taps))):
                one.read_into(into, batch)
            else:
                # Its checksum is of all taps: those at a block's edge are read with the others.
                into[:] = one.read(batch)[0][list(taps)]
            one.prefetch(batch + 1)
        return self.held

    def _places(self) -> Iterator[tuple[np.ndarray, Signatures, tuple[int, ...]]]:
        start = 0
        for one, taps in self.kept:
            yield self.held[start : start + len(taps)], one, taps
            start += len(taps)
