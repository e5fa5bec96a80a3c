"""docs/benchmarks.md and its plots, from the stored results."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import markdown
from benchmarks.harness.figures import figure
from benchmarks.harness.item import Goal, Item, Result
from seelike.analysis.figures.drawing.rendering import svg

RESULTS = Path(__file__).parents[1] / "results"
DOCS = Path(__file__).parents[2] / "docs"


def path(item: Item, *, device: str, folder: Path) -> Path:
    """Path of the result of ``item`` on ``device``."""
    suffix = "" if device == "cpu" else f".{device.partition(':')[0]}"
    return folder / f"{item.name}{suffix}.json"


def keep(item: Item, result: Result, *, device: str, folder: Path = RESULTS) -> Path:
    """Write a result; it is JSON without NaN."""
    folder.mkdir(parents=True, exist_ok=True)
    place = path(item, device=device, folder=folder)
    place.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    return place


def write(items: Sequence[Item], *, results: Path = RESULTS, docs: Path = DOCS) -> Path:
    """Write the page and its plots from the results in ``results``; return its path."""
    found = [
        (item, device, json.loads(place.read_text()))
        for device in ("cpu", "cuda")
        for item in items
        if (place := path(item, device=device, folder=results)).exists()
    ]
    if not found:
        raise SystemExit("no results are kept; run `python -m benchmarks` first")
    plots = docs / "benchmarks"
    plots.mkdir(parents=True, exist_ok=True)
    parts = ["# Benchmarks", INTRODUCTION, _goals(found), _machines(found)]
    for item, device, kept in found:
        parts += [f"## {item.title}{_suffix(device)}", item.section(kept["result"])]
        for name, panels in item.plots(kept["result"]).items():
            file = f"{name}{'' if device == 'cpu' else f'-{device}'}.svg"
            (plots / file).write_bytes(svg(figure(panels)))
            parts.append(f"![{item.title}](benchmarks/{file})")
        parts.append(f"Measured in {kept['seconds']:.0f} s, {kept['when']}.")
    page = docs / "benchmarks.md"
    page.write_text("\n\n".join(parts) + "\n")
    return page


INTRODUCTION = (
    "Written by `python -m benchmarks report` from benchmarks/results; measured by `make bench`. "
    "Times are medians over repeats with the least and the most in brackets; what is compared ran "
    "in one process, in turns. seelike is measured beside pytorch-cka, cka-pytorch and torch-cka "
    "on the same networks, images and taps."
)


def _suffix(device: str) -> str:
    return "" if device == "cpu" else f" ({device})"


def _goals(found: Sequence[tuple[Item, str, dict[str, Any]]]) -> str:
    """All goals beside what was measured, and in a sentence how many are met."""
    goals: list[tuple[str, Goal]] = [
        (device, goal) for item, device, kept in found for goal in item.goals(kept["result"])
    ]
    rows = [(g.what + _suffix(d), g.goal, g.measured, g.verdict) for d, g in goals]
    met = sum(goal.met is True for _, goal in goals)
    missed = sum(goal.met is False for _, goal in goals)
    open_ = len(goals) - met - missed
    summary = f"{met} of {len(goals)} goals are met and {missed} missed"
    summary += f"; {open_} could not be measured." if open_ else "."
    return markdown.table(("", "goal", "measured", ""), rows) + f"\n\n{summary}"


def _machines(found: Sequence[tuple[Item, str, dict[str, Any]]]) -> str:
    """Each machine once, with the items that ran on it."""
    by_text: dict[str, list[str]] = {}
    for item, device, kept in found:
        by_text.setdefault(_machine(kept["machine"]), []).append(item.name + _suffix(device))
    return "\n\n".join(
        f"{text} ({markdown.listed(names)}.)" if len(by_text) > 1 else text
        for text, names in by_text.items()
    )


def _machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    peers = ", ".join(
        f"{name} {number or 'not installed'}" for name, number in machine["peers"].items()
    )
    device = "" if machine["device"] == "cpu" else f" and {machine['device']}"
    settings = "".join(f", {k}={v}" for k, v in machine["settings"].items())
    return (
        f"Machine: {machine['processor']}{device}, {machine['cores']} cores, "
        f"{markdown.size(machine['memory_bytes'])}, {machine['system']}; "
        f"{markdown.listed(machine['blas'])}; torch on {machine['torch_threads']} threads"
        f"{settings}. Versions: {versions}; {peers}."
    )
