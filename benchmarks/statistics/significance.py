"""Permutation tests on models of a known truth: false and true discoveries."""

from functools import partial
from typing import Any

from scipy import stats

from benchmarks.harness import markdown
from benchmarks.harness.item import Goal, Item, Result
from benchmarks.statistics.simulated import FACTORS, Simulate, discoveries, errors, simulated
from seelike.analysis.similarity.significance.permutation_tests import LEVEL

FULL: dict[str, Any] = {
    "reports": 2000,
    "layers": 6,
    "images": 24,
    "permutations": 100,
    "models": [2, 3, 4],
    "batches": [2, 8],
}
TOY: dict[str, Any] = FULL | {"reports": 6, "permutations": 20, "models": [2], "batches": [2]}


def bound(reports: int, *, checks: int = 1) -> float:
    """The share that true shares of ``LEVEL`` exceed by chance in at most 1 % of runs.

    Of ``reports`` each, in any one of so many ``checks``.
    """
    return float(stats.binom.ppf(1 - 0.01 / checks, reports, LEVEL) / reports)


def measure(*, quick: bool, device: str) -> Result:
    """Errors by number of models and batches; discoveries among three models."""
    del device
    size = TOY if quick else FULL
    fixed = {key: size[key] for key in ("layers", "images")}
    run = {key: size[key] for key in ("reports", "permutations")}

    def simulate(models: int, batches: int, *, shared: bool = False) -> Simulate:
        return partial(simulated, models=models, batches=batches, shared=shared, **fixed)

    return {
        **size,
        "errors": [
            {"models": models, "batches": batches, **errors(simulate(models, batches), **run)}
            for models in size["models"]
            for batches in size["batches"]
        ],
        "discoveries": [
            {"batches": batches, **discoveries(simulate(3, batches, shared=True), **run)}
            for batches in size["batches"]
        ],
    }


def goals(result: Result) -> list[Goal]:
    """At most 5 % of reports make a false discovery, and 5 % of discoveries are false."""
    every, at = result["errors"], f"{LEVEL:g}"
    reports = [each[key] for each in every for key in _DECLARED[1:]]
    p = [each[key][at] for each in every for key in ("p", "p_match", "p_block")]
    false = max(max(each["related"], each["unrelated"]) for each in result["discoveries"])
    return [
        _goal(
            "reports on unrelated models that declare pairs of layers, best matches or models",
            f"{100 * min(reports):.1f} to {100 * max(reports):.1f} %",
            max(reports),
            checks=len(reports),
            of=result["reports"],
        ),
        _goal(
            "p values at most 0.05 of unrelated layers, best matches and models",
            f"{100 * min(p):.1f} to {100 * max(p):.1f} %",
            max(p),
            checks=len(p),
            of=result["reports"],
        ),
        _goal(
            "false discoveries among declared pairs of layers, by pair of models",
            f"{100 * false:.1f} %",
            false,
            checks=1,
            of=result["reports"],
        ),
    ]


def _goal(what: str, measured: str, share: float, *, checks: int, of: int) -> Goal:
    most = bound(of, checks=checks)
    return Goal(what, f"<= 5 % (as simulated, up to {100 * most:.1f} %)", measured, share <= most)


def section(result: Result) -> str:
    """Shares of reports in error, p values, and false discoveries: three tables."""
    about = (
        f"{result['reports']} reports per setting on simulated models of {result['layers']} "
        f"layers: each model mixes its own {FACTORS} random factors, so that its layers are "
        f"strongly alike and models are independent; {result['images']} images per batch, "
        f"{result['permutations']} shuffles (two draws each). A true share of 5 % "
        f"reads up to {100 * bound(result['reports']):.1f} % in 99 of 100 such simulations. One "
        "family: all pairs of layers, within models and across, in one Benjamini-Hochberg family, "
        "as seelike had it before."
    )
    return "\n\n".join(
        (
            about,
            "Share of reports on unrelated models that declare anything across models:",
            markdown.table(
                ("models, batches", "one family", "pairs of layers", "best matches", "models"),
                [
                    (_setting(each), *(_percent(each[key]) for key in _DECLARED))
                    for each in result["errors"]
                ],
            ),
            "Share of p values at most 0.01, 0.05 and 0.1 under the null, and p of a "
            "Kolmogorov-Smirnov test that those of pairs of layers are uniform:",
            markdown.table(
                ("models, batches", "pair of layers", "best match", "pair of models", "uniform"),
                [
                    (
                        _setting(each),
                        *(
                            ", ".join(_percent(v) for v in each[key].values())
                            for key in ("p", "p_match", "p_block")
                        ),
                        f"{each['uniform']:.2f}",
                    )
                    for each in result["errors"]
                ],
            ),
            "Three models, of which two share factors in the first half of their layers: mean "
            "share of false pairs among those declared, between these two, between the others "
            "(the most) and within a model, and the share of the true pairs between the two that "
            "is found:",
            markdown.table(
                ("batches", "the two", "others", "within", "found", "found in one family"),
                [
                    (f"{each['batches']}", *(_percent(each[key]) for key in _DISCOVERED))
                    for each in result["discoveries"]
                ],
            ),
        )
    )


_DECLARED = ("one_family", "pairs", "matches", "blocks")
_DISCOVERED = ("related", "unrelated", "within", "found", "found_one_family")


def _setting(each: Result) -> str:
    return f"{each['models']} models, {each['batches']} batches"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


ITEM = Item(
    "significance", "Permutation tests: errors by chance", measure, goals=goals, section=section
)
