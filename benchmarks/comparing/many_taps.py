"""Nearest layers among as many taps as a large store has: simulated, by blocks and an index."""

import importlib.util
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import markdown
from benchmarks.harness.clock import interleaved, spread, timed
from benchmarks.harness.item import Goal, Result
from seelike.analysis.similarity.nearest.faiss_index import Index, build_index
from seelike.analysis.similarity.nearest.nearest import nearest

FULL_SIZE: dict[str, int] = {"networks": 10_000, "taps": 100, "dimension": 1024, "queries": 20}
TOY_SIZE: dict[str, int] = {"networks": 60, "taps": 20, "dimension": 32, "queries": 3}
FAMILIES, COUNT, BLOCK = 40, 10, 4096
# Shares of a tap's energy that its family at that depth has, its network, and it alone.
SHARES = (0.7, 0.2, 0.1)
# Candidates of an index that are compared again per query (seelike.tasks.nearest.by_sketches).
AGAIN = 10
LEAST_RECALL, LEAST_GAIN = 0.95, 5.0


def measure(*, quick: bool) -> Result:
    """Seconds per query, recall and bytes, over all sketches by blocks and by an index of them.

    Sketches are kept in float16, 2 GB for a million of 1 024 numbers; memory in all about 4 GB.
    """
    size = TOY_SIZE if quick else FULL_SIZE
    rows = _simulated(size)
    asked = np.random.default_rng(1).choice(len(rows), size["queries"], replace=False)
    result: Result = {**size, "all_taps": len(rows), "bytes": 2 * size["dimension"]}
    if importlib.util.find_spec("faiss") is None:
        runs = interleaved({"blocks": partial(_by_blocks, rows, asked)}, repeats=1)
        seconds = [run.seconds / len(asked) for run in runs["blocks"]]
        return {**result, "blocks": spread(seconds), "index": None}
    build = timed(partial(_index, rows, size["dimension"]))
    calls = {
        "blocks": partial(_by_blocks, rows, asked),
        "index": partial(_by_index, build.value, rows, asked),
    }
    runs = interleaved(calls, repeats=1 if quick else 3)
    both = zip(runs["blocks"][0].value, runs["index"][0].value, strict=True)
    recalls = [len(np.intersect1d(a, b)) / len(a) for a, b in both]
    each = {name: spread(run.seconds / len(asked) for run in of) for name, of in runs.items()}
    return {
        **result,
        "blocks": each["blocks"],
        "index": {
            "seconds": each["index"],
            "build": build.seconds,
            "recall": float(np.mean(recalls)),
            "bytes": int(build.value.content().nbytes / len(rows)),
        },
    }


def _simulated(size: dict[str, int]) -> np.ndarray:
    """Sketches (T, d) float16 of unit signatures, network after network, random directions each.

    Families of networks share the layers' directions along depth, halfway between which a tap may
    be; networks of one family, and taps of one network, are alike beyond that.
    """
    rng = np.random.default_rng(0)
    taps, dimension = size["taps"], size["dimension"]
    depths = 9
    paths = rng.standard_normal((FAMILIES, depths, dimension), dtype=np.float32)
    walked = np.cumsum(paths, axis=1)
    places = np.linspace(0, depths - 1, taps)
    low = np.minimum(places.astype(int), depths - 2)
    part = (places - low)[:, None].astype(np.float32)
    rows = np.empty((size["networks"] * taps, dimension), np.float16)
    for network in range(size["networks"]):
        path = walked[network % FAMILIES]
        along = (1 - part) * path[low] + part * path[low + 1]
        own = rng.standard_normal((1, dimension), dtype=np.float32)
        alone = rng.standard_normal((taps, dimension), dtype=np.float32)
        made = sum(np.sqrt(s) * _unit(x) for s, x in zip(SHARES, (along, own, alone), strict=True))
        rows[network * taps : (network + 1) * taps] = _unit(made)
    return rows


def _unit(rows: Any) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK].astype(np.float32)


def _by_blocks(rows: np.ndarray, asked: np.ndarray) -> list[np.ndarray]:
    """For each tap ``asked`` the nearest, itself first, by all sketches."""
    return [nearest(rows[i], _blocks(rows), count=COUNT + 1)[0][1:] for i in asked]


def _index(rows: np.ndarray, dimension: int) -> Index:
    def numbered() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number, block in enumerate(_blocks(rows)):
            yield number * BLOCK + np.arange(len(block), dtype=np.int64), block

    return build_index(numbered, count=len(rows), dimension=dimension)


def _by_index(index: Index, rows: np.ndarray, asked: np.ndarray) -> list[np.ndarray]:
    """The nearest among the candidates of an index, compared again by their sketches."""
    found = []
    for i in asked:
        numbers = index.nearest(rows[i], count=AGAIN * COUNT + 1)
        numbers = numbers[numbers != i]
        some = rows[numbers].astype(np.float32)
        found.append(numbers[nearest(rows[i], [some], count=COUNT)[0]])
    return found


def goals(result: Result) -> list[Goal]:
    """The index finds nearly all, in a fraction of the time."""
    found = result["index"]
    gain = found and result["blocks"]["median"] / found["seconds"]["median"]
    return [
        Goal(
            f"recall at {COUNT} of the index among {result['all_taps']:,} simulated taps",
            f">= {markdown.percent(LEAST_RECALL)}",
            markdown.percent(found["recall"]) if found else "not measured",
            found["recall"] >= LEAST_RECALL if found else None,
        ),
        Goal(
            "all sketches by blocks over the index, time a query",
            f">= {markdown.times(LEAST_GAIN)}",
            markdown.times(gain),
            gain >= LEAST_GAIN if found else None,
        ),
    ]


def section(result: Result) -> str:
    """Two rows: all by blocks, and the index."""
    rows = [
        (
            "all, by blocks",
            markdown.seconds(result["blocks"]),
            "100 %",
            f"{result['bytes']} (float16)",
            "0",
        )
    ]
    found = result["index"]
    if found:
        rows.append(
            (
                "index",
                markdown.seconds(found["seconds"]),
                markdown.percent(found["recall"]),
                f"{found['bytes']}",
                markdown.number(found["build"]),
            )
        )
    header = ("way", "seconds per query", f"recall at {COUNT}", "bytes per tap", "seconds to build")
    return (
        f"{result['all_taps']:,} simulated sketches of {result['dimension']} numbers: "
        f"{result['networks']:,} networks of {FAMILIES} families, {result['taps']} taps each, in "
        f"memory; {result['queries']} queries.\n\n{markdown.table(header, rows)}"
    )
