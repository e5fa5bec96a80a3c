"""The section on all pairs of M models: goal, table, plot."""

from benchmarks.harness import markdown
from benchmarks.harness.clock import exponent
from benchmarks.harness.item import Goal, Line, Plot, Result

GOAL = 6.0


def _medians(result: Result, way: str) -> list[float]:
    return [float(found["median"]) for found in result["seconds"][way]]


def fastest(result: Result) -> tuple[str, float] | None:
    """The fastest peer at the largest M, and its time over seelike's."""
    own = _medians(result, "seelike")[-1]
    others = [(_medians(result, w)[-1] / own, w) for w in result["seconds"] if w != "seelike"]
    return None if not others else (min(others)[1], min(others)[0])


def goals(result: Result) -> list[Goal]:
    """One: at the largest M, beside the fastest peer."""
    found = fastest(result)
    return [
        Goal(
            f"all pairs of {result['counts'][-1]} models, the fastest peer's time over seelike's",
            f">= {GOAL:g}",
            "not measured" if found is None else f"{found[1]:.1f} ({found[0]})",
            None if found is None else found[1] >= GOAL,
        )
    ]


def section(result: Result) -> str:
    """A table by way and M, with the exponent of M."""
    counts, own = result["counts"], _medians(result, "seelike")
    rows = []
    for way, found in result["seconds"].items():
        from_models = result["extrapolated_from"].get(way)
        cells = [
            markdown.seconds(f) + ("*" if from_models and m > from_models else "")
            for m, f in zip(counts, found, strict=True)
        ]
        slope = exponent(zip(counts, _medians(result, way), strict=True))
        ratio = _medians(result, way)[-1] / own[-1]
        rows.append((way, *cells, f"{slope or 0:.2f}", f"{ratio:.1f}"))
    images_each = result["batch"] * result["batches"]
    paragraphs = [
        f"{images_each} images of {result['size']} px in batches of {result['batch']}, taps "
        f"`blocks` ({min(result['taps'])} to {max(result['taps'])} per model), models "
        f"{markdown.listed(result['models'])}. seelike runs each model once, writes its signatures "
        f"to disk and compares all pairs from there, within models too; a peer runs two models "
        f"for each of the M (M - 1) / 2 pairs. Images are in memory for all.",
        markdown.table(
            ("seconds", *(f"M = {m}" for m in counts), "exponent of M", "over seelike"), rows
        ),
        f"Of seelike's time at M = {counts[-1]}, comparing takes "
        f"{markdown.number(result['comparing'][-1]['median'])} s. In forward passes alone a peer "
        f"needs M - 1 = {counts[-1] - 1} times as many.",
    ]
    for peer, models in result["extrapolated_from"].items():
        paragraphs.append(
            f"\\* {peer} was run on the pairs of the first {models} models; for more models its "
            f"mean time per pair is multiplied by the number of pairs."
        )
    away = [
        f"{peer} {'no number somewhere' if found is None else f'{found:.1e}'}"
        for peer, found in result["difference"].items()
    ]
    if away:
        paragraphs.append(
            f"Largest difference from seelike's CKA in any cell: {markdown.listed(away)}; whose "
            "error that is, Numerical error shows."
        )
    return "\n\n".join(paragraphs)


def plots(result: Result) -> dict[str, tuple[Plot, ...]]:
    """Seconds against M."""
    lines = []
    for way in result["seconds"]:
        points = tuple(zip(map(float, result["counts"]), _medians(result, way), strict=True))
        lines.append(Line(way, points, exponent(points)))
    return {"pairs-of-models": (Plot("All pairs of M models", "models", "seconds", tuple(lines)),)}
