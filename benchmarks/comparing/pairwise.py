"""Item 3: comparing alone: signatures from the store, beside the bare symmetric product."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.comparing import synthetic
from benchmarks.harness import markdown, product
from benchmarks.harness.apart import apart, peak_bytes, resident_bytes
from benchmarks.harness.clock import best, interleaved, spread
from benchmarks.harness.item import Goal, Item, Result
from seelike.storage.arrays.signatures import open_signatures
from seelike.storage.digest import checksum
from seelike.storage.store import open_store
from seelike.tasks.comparison.signature_products import products

FULL = {"models": 8, "taps": 125, "batches": 40, "batch": 256}
TOY = {"models": 2, "taps": 20, "batches": 3, "batch": 64}
REPEATS = 3
# Operands in memory that take turns, so that none is still in the processor's cache.
OPERANDS = 3
TIMES, BYTES = 1.3, 10**9


def measure(*, quick: bool, device: str) -> Result:
    """Seconds and peak memory of the product from disk, seconds of the bare one; CPU only."""
    del device  # The comparing stage is NumPy's, wherever the activations came from.
    size = TOY if quick else FULL
    taps, batches, batch = size["models"] * size["taps"], size["batches"], size["batch"]
    held = synthetic.stored_bytes(taps=taps, batches=batches, batch=batch)
    with tempfile.TemporaryDirectory() as folder:
        check_room(folder, held)
        store = product.temporary_store(folder)
        names = synthetic.write(store, **size)
        calls = _bare(taps, batch * (batch - 1) // 2, batches) | {
            "product": partial(apart, compared, store=store.url, names=names)
        }
        runs = interleaved(calls, repeats=1 if quick else REPEATS)
    found = [run.value for run in runs.pop("product")]
    return {
        **size,
        "taps": taps,
        "bytes": held,
        "bare": {name: spread(run.seconds for run in of_one) for name, of_one in runs.items()},
        "product": spread(one["seconds"] for one in found),
        "peak_bytes": max(one["peak_bytes"] for one in found),
        "before_bytes": max(one["before_bytes"] for one in found),
        "checksum": _checking(taps // size["models"], batch * (batch - 1) // 2),
    }


def check_room(folder: str, needed: float) -> None:
    """End the run where ``needed`` bytes do not fit into ``folder``."""
    free = shutil.disk_usage(folder).free
    if free < 1.2 * needed:
        raise SystemExit(
            f"this benchmark needs {markdown.size(1.2 * needed)} for temporary files, "
            f"{markdown.size(free)} are free; set TMPDIR to a larger disk"
        )


def compared(store: str, names: list[str]) -> dict[str, float]:
    """Products of all signatures, as comparing makes them; run in a process of its own."""
    kept = [open_signatures(open_store(store), name) for name in names]
    before = resident_bytes()
    start = time.perf_counter()
    products(kept)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_bytes": peak_bytes(), "before_bytes": before}


def _bare(taps: int, pairs: int, batches: int) -> dict[str, Callable[[], object]]:
    """The symmetric product on data in memory: on BLAS's threads, and one per Python thread."""
    rng = np.random.default_rng(0)
    operands = [synthetic.unit_rows(rng, taps, pairs) for _ in range(OPERANDS)]

    def one(number: int) -> None:
        operand = operands[number % OPERANDS]
        operand @ operand.T

    def threads_of_blas() -> None:
        for number in range(batches):
            one(number)

    def threads_of_python() -> None:
        with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(one, range(batches)))

    return {"BLAS threads": threads_of_blas, "Python threads": threads_of_python}


def _checking(taps: int, pairs: int) -> dict[str, float]:
    """Seconds for the checksum of one model's batch when it is read."""
    values = synthetic.unit_rows(np.random.default_rng(0), taps, pairs)
    return {
        "bytes": values.nbytes,
        "checksum_seconds": best(lambda: checksum(values)),
    }


def ratio(result: Result) -> float:
    """The product's time over that of the faster bare one."""
    fastest = min(found["median"] for found in result["bare"].values())
    return float(result["product"]["median"] / fastest)


def goals(result: Result) -> list[Goal]:
    """Time and memory."""
    return [
        Goal(
            f"{result['taps']} taps x {result['batches']} batches of {result['batch']} from the "
            "store, over the bare SYRK in memory",
            f"<= {TIMES:g}",
            f"{ratio(result):.2f}",
            ratio(result) <= TIMES,
        ),
        Goal(
            "peak memory of that, the whole process",
            f"<= {markdown.size(BYTES)}",
            markdown.size(result["peak_bytes"]),
            result["peak_bytes"] <= BYTES,
        ),
    ]


def section(result: Result) -> str:
    """Times, memory, and what reading's checksums cost."""
    rows: list[tuple[str, ...]] = [
        ("from the store", markdown.seconds(result["product"]), f"{ratio(result):.2f}")
    ]
    fastest = min(found["median"] for found in result["bare"].values())
    for name, found in result["bare"].items():
        row = (f"in memory, {name}", markdown.seconds(found), f"{found['median'] / fastest:.2f}")
        rows.append(row)
    own = result["peak_bytes"] - result["before_bytes"]
    verified = _verified(result)
    return "\n\n".join(
        (
            f"All pairs of {result['taps']} taps of {result['models']} models, "
            f"{result['batches']} batches of {result['batch']} images: "
            f"{markdown.size(result['bytes'])} of signatures, just written, so in the system's "
            "file cache as far as it fits.",
            markdown.table(("symmetric products", "seconds", "over the faster bare one"), rows),
            f"Peak memory of the process {markdown.size(result['peak_bytes'])}, of which "
            f"{markdown.size(own)} came with the products. Checking the checksums of all that is "
            f"read costs {markdown.number(verified)} s of one core.",
        )
    )


def _verified(result: dict[str, Any]) -> float:
    """Seconds of one core for the checksums of everything that is read."""
    found = result["checksum"]
    return float(found["checksum_seconds"] * result["bytes"] / found["bytes"])


ITEM = Item("pairwise", "Comparing, from the store", measure, goals, section)
