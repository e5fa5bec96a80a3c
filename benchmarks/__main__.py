"""The command line of the benchmarks."""

import argparse
import gc
import sys
import time
from datetime import UTC, datetime

from benchmarks.commands import waiting
from benchmarks.comparing import blocks, nearest, pairs_of_models, pairwise
from benchmarks.coverage import coverage
from benchmarks.harness import report
from benchmarks.harness.item import Item
from benchmarks.harness.machine import machine
from benchmarks.harness.report import keep
from benchmarks.recording import anatomy, growth, memory, overhead, probing, writing
from benchmarks.statistics import accuracy, sanity, sanity_at_once, significance

ITEMS = (
    overhead.ITEM,
    pairs_of_models.ITEM,
    pairwise.ITEM,
    writing.ITEM,
    memory.ITEM,
    growth.ITEM,
    accuracy.ITEM,
    sanity.ITEM,
    sanity_at_once.ITEM,
    probing.ITEM,
    anatomy.ITEM,
    blocks.ITEM,
    nearest.ITEM,
    significance.ITEM,
    coverage.ITEM,
    waiting.ITEM,
)


def main(arguments: list[str] | None = None) -> None:
    """Measure the chosen items (all by default), store their results, and write the report."""
    names = [item.name for item in ITEMS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "items",
        nargs="*",
        metavar="ITEM",
        help=f"default: all; one of {', '.join(names)}; or report: only write the page",
    )
    parser.add_argument("--quick", action="store_true", help="toy sizes; nothing is stored")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.items) - {*names, "report"}):
        parser.error(f"unknown item {unknown[0]!r}; items: {', '.join(names)} and report")
    gc.freeze()  # The collector need not visit imported modules before every timed call.
    chosen = [item for item in ITEMS if not asked.items or item.name in asked.items]
    for item in chosen:
        run(item, quick=asked.quick, device=asked.device)
    if not asked.quick:
        print(report.write(ITEMS).relative_to(report.DOCS.parent))


def run(item: Item, *, quick: bool, device: str) -> None:
    """Measure one item, store it unless the run is quick, and print its section."""
    print(f"{item.name} ...", file=sys.stderr, flush=True)
    described = machine(device)
    start = time.perf_counter()
    result = item.measure(quick=quick, device=device)
    seconds = time.perf_counter() - start
    if not quick:
        when = datetime.now(UTC).strftime("%Y-%m-%d")
        kept = {"machine": described, "when": when, "seconds": round(seconds, 1), "result": result}
        keep(item, kept, device=device)
        item.enter(result)
    print(f"## {item.title}\n\n{item.section(result)}\n")
    for goal in item.goals(result):
        print(f"- {goal.what}: {goal.measured} (goal {goal.goal}): {goal.verdict}")
    print(f"\n{item.name}: {seconds:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
