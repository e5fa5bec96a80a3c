"""Whether 95 % intervals hold the truth: data sets drawn from a population that is known."""

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import coverage_cka, coverage_inside, markdown, populations
from benchmarks.coverage_probes import probes
from benchmarks.item import Goal, Item, Result

FULL: dict[str, Any] = {
    "counts": [2, 4, 8, 16, 40],
    "repeats": 400,
    "expensive_repeats": 150,
    "population": 1024,
    "inside": 1024,
    "fields": 256,
    "places": 512,
    "batch": 64,
}
TOY: dict[str, Any] = FULL | {
    "counts": [2, 4],
    "repeats": 4,
    "expensive_repeats": 3,
    "population": 96,
    "inside": 80,
    "fields": 16,
    "places": 80,
    "batch": 32,
}
# Of cells and differences, and of claims' numbers.
CELLS, CLAIMS = (0.93, 0.97), (0.92, 0.98)
PAGE = Path(__file__).parent.parent / "docs" / "statistics.md"
START, END = "<!-- coverage -->", "<!-- /coverage -->"

Shares = dict[str, dict[int, float]]


def measure(*, quick: bool, device: str) -> Result:
    """The share of data sets whose intervals hold the truth, of every number."""
    del device
    size = TOY if quick else FULL
    found: Shares = coverage_cka.covered(
        counts=size["counts"],
        repeats=size["repeats"],
        batch=size["batch"],
        population=size["population"],
        fine=not quick,
    )
    inside = [
        (coverage_inside.attention, size["inside"], size["repeats"]),
        (coverage_inside.heads, size["places"], size["expensive_repeats"]),
        (coverage_inside.fields, size["fields"], size["repeats"]),
        (coverage_inside.skips, size["inside"], size["repeats"]),
        (coverage_inside.localization, size["places"], size["expensive_repeats"]),
    ]
    if not quick:
        inside.append((probes, size["population"], size["expensive_repeats"]))
    for made, count, repeats in inside:
        run = partial(coverage_inside.covered, counts=size["counts"], repeats=repeats)
        found |= run([made(populations.images(count))])
    return {**size, "covered": [{"number": name, **_by(each)} for name, each in found.items()]}


def _by(each: dict[int, float]) -> dict[str, float]:
    return {str(count): share for count, share in each.items()}


def goals(result: Result) -> list[Goal]:
    """Cells and differences, and claims' numbers, within what was promised."""
    counts = [str(count) for count in result["counts"]]
    cells = [one[c] for one in result["covered"][:2] for c in counts]
    claims = [one[c] for one in result["covered"][2:] for c in counts]
    return [
        _goal("95 % intervals of cells and of differences of two CKAs that hold", cells, CELLS),
        _goal("95 % intervals of the claims' numbers that hold the truth", claims, CLAIMS),
    ]


def _goal(what: str, shares: list[float], limits: tuple[float, float]) -> Goal:
    low, high = limits
    within = sum(low <= share <= high for share in shares)
    return Goal(
        what,
        f"{100 * low:.0f} to {100 * high:.0f} %",
        f"{100 * min(shares):.1f} to {100 * max(shares):.1f} %, {within} of {len(shares)} inside",
        within == len(shares),
    )


def section(result: Result) -> str:
    """The table of all numbers."""
    return (
        f"Data sets are drawn from {result['population']} shipped images (fields: "
        f"{result['fields']}, places and heads: {result['places']}, attention and skips: "
        f"{result['inside']}) on the shipped networks; E3 and E4 on untrained ViTs of 12 heads. "
        f"The truth is the same number of all of them. Batches of {result['batch']} images "
        f"(groups of 16 where images are measured one by one, of 4 for fields; for probes 16 test "
        f"images per group and 5 draws), {result['repeats']} data sets per setting "
        f"({result['expensive_repeats']} for places, heads and probes): a true 95 % reads "
        "93 to 97 % (92 to 98 %) in 95 of 100 such runs. Share of intervals that hold the truth, "
        "by number of batches:\n\n" + coverage_table(result)
    )


def coverage_table(result: Result) -> str:
    """A row per number, a column per count of batches."""
    counts = [str(count) for count in result["counts"]]
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
