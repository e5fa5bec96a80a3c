"""Very many taps: all pairs in blocks from the store, beside the bare product; workers of Dask."""

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from distributed import LocalCluster
from threadpoolctl import threadpool_limits

from benchmarks.comparing import synthetic
from benchmarks.comparing.pairwise import check_room
from benchmarks.harness import markdown, product
from benchmarks.harness.apart import apart, peak_bytes
from benchmarks.harness.clock import best, timed
from benchmarks.harness.item import Goal, Item, Line, Plot, Result
from seelike.storage.arrays import tap_pairs
from seelike.storage.arrays.signatures import open_signatures
from seelike.storage.arrays.tap_pairs import Pairs
from seelike.storage.store import Store, open_store
from seelike.tasks.comparison.blockwise import HIGH, LOW, VALUE, compute_missing

# 200 models of 100 taps; few images, so that not only the product is measured.
FULL = {"models": 200, "taps": 100, "batches": 10, "batch": 128}
SHARED = {"models": 60, "taps": 100, "batches": 10, "batch": 128}
TOY = {"models": 3, "taps": 30, "batches": 2, "batch": 24}
WORKERS = (1, 2, 4)


def measure(*, quick: bool, device: str) -> Result:
    """Seconds and peak memory of all pairs, of one more model, and by workers; CPU only."""
    del device  # Products of signatures are NumPy's.
    size, shared = (TOY, TOY) if quick else (FULL, SHARED)
    with tempfile.TemporaryDirectory() as folder:
        held = synthetic.stored_bytes(
            taps=size["models"] * size["taps"], batches=size["batches"], batch=size["batch"]
        )
        taps = size["models"] * size["taps"]
        check_room(folder, held + 24 * taps**2)
        store = product.temporary_store(folder)
        names = synthetic.write(store, **size)
        runs = [apart(in_blocks, store=store.url, names=some) for some in (names[:-1], names)]
        fewest = names[: shared["models"]]
        by_workers = {str(count): _shared(store, fewest, count) for count in WORKERS}
    first, last = runs
    return {
        **size,
        "taps": taps,
        "bytes": held,
        "edge": tap_pairs.edge_of(taps),
        "bound": _bound(taps, size),
        "first": first,
        "one_more": last,
        "shared_taps": shared["models"] * shared["taps"],
        "workers": by_workers,
        "cores": os.cpu_count(),
    }


def in_blocks(store: str, names: list[str]) -> dict[str, float]:
    """All pairs of the signatures ``names``; run in a process of its own."""
    opened = open_store(store)
    start = time.perf_counter()
    made = created(opened, names)
    blocks = compute_missing(opened, made, dask=None)
    return {
        "seconds": time.perf_counter() - start,
        "blocks": blocks,
        "peak_bytes": peak_bytes(),
        "written": opened.place.size(made.key),
    }


def created(store: Store, names: list[str], *, note: str = "") -> Pairs:
    """Empty pairs of all taps of the signatures ``names``; ``note`` tells them from others."""
    kept = [open_signatures(store, name) for name in names]
    rows = [(one.name, tap) for one in kept for tap in range(len(one.taps))]
    return tap_pairs.create(
        store,
        {"note": note},
        rows=rows,
        labels=[],
        coordinates={f"row_{side}": (f"tap_{side}", np.arange(len(rows))) for side in "ab"},
        variables=(VALUE, LOW, HIGH),
        attributes={},
    )


def _shared(store: Store, names: list[str], count: int) -> float:
    """Seconds of all pairs of ``names`` on ``count`` worker processes of one thread."""
    made = created(store, names, note=f"{count} workers")
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=count, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        return timed(partial(compute_missing, store, made, dask=address)).seconds


def _bound(taps: int, size: dict[str, int]) -> float:
    """Seconds of the bare product on one side of the diagonal, at the best rate of all cores."""
    edge, pair = tap_pairs.edge_of(taps), size["batch"] * (size["batch"] - 1) // 2
    some = synthetic.unit_rows(np.random.default_rng(0), min(edge, taps), pair)
    count = os.cpu_count() or 1

    def on_every_core() -> None:
        with threadpool_limits(1), ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda _: some @ some.copy().T, range(count)))

    blas = best(lambda: some @ some.copy().T)
    seconds = min(best(on_every_core) / count, blas)
    return seconds * size["batches"] * (taps / len(some)) ** 2 / 2


def goals(result: Result) -> list[Goal]:
    """Memory for a block, and one model's rows alone."""
    taps, models = result["taps"], result["models"]
    whole = 3 * 4 * taps**2
    return [
        Goal(
            f"peak memory of all pairs of {taps} taps, {markdown.size(whole)} of results",
            "a block's, not all pairs'",
            markdown.size(result["first"]["peak_bytes"]),
            result["first"]["peak_bytes"] < max(whole / 2, 10**9),
        ),
        Goal(
            f"time of one more model beside {models - 1}",
            "<= 1/10 of all",
            markdown.percent(result["one_more"]["seconds"] / result["first"]["seconds"]),
            result["one_more"]["seconds"] <= result["first"]["seconds"] / 10,
        ),
    ]


def efficiency(result: Result) -> dict[int, float]:
    """Speed of each number of workers, as a share of as many single ones."""
    alone = result["workers"]["1"]
    return {int(n): alone / (int(n) * seconds) for n, seconds in result["workers"].items()}


def section(result: Result) -> str:
    """Times beside the bound, memory, one more model, workers."""
    first, more = result["first"], result["one_more"]
    rows: list[tuple[str, ...]] = [
        ("bare product of one side, in memory", markdown.number(result["bound"]), "1.00x", ""),
        *(
            (
                name,
                markdown.number(found["seconds"]),
                markdown.times(found["seconds"] / result["bound"]),
                markdown.size(found["peak_bytes"]),
            )
            for name, found in (
                (f"all pairs of {result['models'] - 1} models", first),
                ("one more model", more),
            )
        ),
    ]
    shares = efficiency(result)
    workers = ", ".join(
        f"{n}: {markdown.number(seconds)} s ({markdown.percent(shares[int(n)])})"
        for n, seconds in result["workers"].items()
    )
    return "\n\n".join(
        (
            f"All pairs of {result['taps']} taps of {result['models']} models, made-up signatures "
            f"of {result['batches']} batches of {result['batch']} images "
            f"({markdown.size(result['bytes'])}), with intervals, in blocks of {result['edge']} "
            f"taps ({first['blocks']:.0f} blocks, {markdown.size(first['written'])}). A new model "
            "copies what is known of the others and computes its own rows.",
            markdown.table(("", "seconds", "over the bare product", "peak memory"), rows),
            f"Seconds of {result['shared_taps']} taps on worker processes of Dask with one thread "
            f"each, on {result['cores']} cores, and efficiency beside one worker: {workers}.",
        )
    )


def plots(result: Result) -> dict[str, tuple[Plot, ...]]:
    """Seconds by workers, and the ideal."""
    found = {int(n): seconds for n, seconds in result["workers"].items()}
    measured = tuple((float(n), seconds) for n, seconds in found.items())
    ideal = tuple((float(n), found[1] / n) for n in found)
    lines = (Line("seelike", measured), Line("1 / workers", ideal))
    return {"blocks": (Plot("Workers", "workers of one thread", "seconds", lines),)}


ITEM = Item("blocks", "All pairs in blocks", measure, goals, section, plots)
