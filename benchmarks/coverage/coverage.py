"""Coverage of 95 % intervals over data sets drawn from a population with known truth."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.coverage import cka, places, populations
from benchmarks.coverage import inside as coverage_inside
from benchmarks.coverage.probes import probes
from benchmarks.coverage.shares import Repeats
from benchmarks.harness import markdown
from benchmarks.harness.item import Goal, Item, Result

# Data sets by number of batches: of few batches they cost little.
CHEAP = {2: 1000, 4: 1000, 8: 1000, 16: 400, 40: 400}
EXPENSIVE = dict.fromkeys(CHEAP, 300)
FULL: dict[str, Any] = {
    "repeats": CHEAP,
    "expensive_repeats": EXPENSIVE,
    "population": 2048,
    "inside": 1024,
    "fields": 256,
    "places": 512,
    "batch": 64,
}
TOY: dict[str, Any] = FULL | {
    "repeats": {2: 4, 4: 4},
    "expensive_repeats": {2: 3, 4: 3},
    "population": 96,
    "inside": 80,
    "fields": 16,
    "places": 80,
    "batch": 32,
}
# Allowed coverage of cells and differences, and of claims' numbers.
CELLS, CLAIMS = (0.93, 0.97), (0.92, 0.98)
PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
START, END = "<!-- coverage -->", "<!-- /coverage -->"

Shares = dict[str, dict[int, float]]


def measure(*, quick: bool, device: str) -> Result:
    """Measure the share of data sets whose intervals hold the truth, for every number."""
    del device
    size = TOY if quick else FULL
    found: Shares = cka.covered(
        repeats=size["repeats"],
        batch=size["batch"],
        population=size["population"],
        fine=not quick,
    )
    repeats_by: dict[str, Repeats] = dict.fromkeys(found, size["repeats"])
    inside = [
        (coverage_inside.attention, size["inside"], size["repeats"]),
        (places.heads, size["places"], size["expensive_repeats"]),
        (coverage_inside.fields, size["fields"], size["repeats"]),
        (coverage_inside.skips, size["inside"], size["repeats"]),
        (places.localization, size["places"], size["expensive_repeats"]),
    ]
    if not quick:
        inside.append((probes, size["population"], size["expensive_repeats"]))
    for made, count, repeats in inside:
        more = coverage_inside.covered(made(populations.images(count)), repeats=repeats)
        repeats_by |= dict.fromkeys(more, repeats)
        found |= more
    sizes = {key: _by(value) if isinstance(value, dict) else value for key, value in size.items()}
    return {
        **sizes,
        "covered": [_row(name, each, repeats_by[name]) for name, each in found.items()],
    }


def _row(name: str, each: Mapping[int, float], repeats_of: Repeats) -> Result:
    """A number's shares by count of batches, and how far counting lets them stray."""
    error = {count: counting_error(repeats) for count, repeats in repeats_of.items()}
    return {"number": name, **_by(each), "error": _by(error)}


def _by(each: Mapping[int, float]) -> dict[str, float]:
    return {str(count): value for count, value in each.items()}


def goals(result: Result) -> list[Goal]:
    """Cells and differences, and claims' numbers, within what was promised."""
    return [
        _goal("cells and of differences of two CKAs", result, slice(2), CELLS),
        _goal("the claims' numbers", result, slice(2, None), CLAIMS),
    ]


def _goal(what: str, result: Result, rows: slice, limits: tuple[float, float]) -> Goal:
    """A share counts as outside where counting error does not explain it."""
    each = [(row, count) for row in result["covered"][rows] for count in result["repeats"]]
    shares = [row[count] for row, count in each]
    low, high = limits
    within = sum(low <= share <= high for share in shares)
    clear = [
        share
        for share, (row, count) in zip(shares, each, strict=True)
        if not low - row["error"][count] <= share <= high + row["error"][count]
    ]
    return Goal(
        f"95 % intervals of {what} that hold the truth",
        f"{100 * low:.0f} to {100 * high:.0f} %, give or take the error of counting",
        f"{100 * min(shares):.1f} to {100 * max(shares):.1f} %, {within} of {len(shares)} inside, "
        f"{len(clear)} outside by more than that error",
        not clear,
    )


def counting_error(repeats: int) -> float:
    """Half width of the range that holds 95 of 100 counted shares of a true 95 %."""
    return float(1.96 * np.sqrt(0.95 * 0.05 / repeats))


def section(result: Result) -> str:
    """The table of all numbers."""
    most, least = (_range(result[key]) for key in ("repeats", "expensive_repeats"))
    return (
        f"Data sets are drawn from {result['population']} shipped images (fields: "
        f"{result['fields']}, places and heads: {result['places']}, attention and skips: "
        f"{result['inside']}) on the shipped networks; E3 and E4 on untrained ViTs of 12 heads. "
        f"The truth is the same number of all of them. Batches of {result['batch']} images are "
        "drawn one by one, each without repeats, so that their HSICs are unbiased; groups of 16 "
        "where images are measured one by one, of 4 for fields; for probes 16 test images per "
        f"group and 5 draws of training images. {most} data sets; {least} for places, heads and "
        "probes. A true 95 % reads 93.6 to 96.4 % in 95 of 100 counts of 1 000 data sets, 92.9 to "
        "97.1 % of 400 and 92.5 to 97.5 % of 300. E12-transfer is E12-resnet on other images. "
        "Share of intervals that hold the truth, by number of batches:\n\n" + coverage_table(result)
    )


def _range(repeats: Mapping[str, int]) -> str:
    """Numbers of data sets by number of batches, in words."""
    by: dict[int, list[str]] = {}
    for count, each in repeats.items():
        by.setdefault(each, []).append(count)
    if len(by) == 1:
        return str(next(iter(by)))
    return " and ".join(f"{each} of {', '.join(counts)} batches" for each, counts in by.items())


def coverage_table(result: Result) -> str:
    """A row per number, a column per count of batches."""
    counts = list(result["repeats"])
    return markdown.table(
        ("number", *(f"{count} batches" for count in counts)),
        [
            (one["number"], *(f"{100 * one[count]:.1f} %" for count in counts))
            for one in result["covered"]
        ],
    )


def enter(result: Result, *, page: Path = PAGE) -> None:
    """Put the table between the marks of the page on statistics."""
    text = page.read_text()
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{START}\n{coverage_table(result)}\n{END}{after}")


ITEM = Item(
    "coverage",
    "Intervals: do they hold the truth?",
    measure,
    goals=goals,
    section=section,
    enter=enter,
)
