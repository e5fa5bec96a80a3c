"""Section on skip connections (E6): norm ratios and cosines of skip and branch, claims."""

from functools import partial

from seelike.analysis import figures as draw
from seelike.analysis.claims.experiments.residuals import residual_cases, rows_of
from seelike.analysis.claims.results import ModelResult
from seelike.storage.digest import slug
from seelike.storage.reports import write
from seelike.storage.reports.write import Figure, Section, Table
from seelike.tasks.reports.anatomy.section import section_of
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import (
    AnalysisResults,
    curves,
    mean_of,
)

ANALYSIS = "residuals"
BRANCHES = {"attention": "attention", "tokens": "token mixing", "mlp": "MLP", "unit": "unit"}
TOKENS = {"cls": "class token", "spatial": "patches"}


def section(results: AnalysisResults) -> Section:
    """Build the section."""
    each = results.each
    return section_of(
        results,
        "Skip connections",
        "Norm of the skip over the norm of the branch that is added to it, and the cosine between "
        "them: of the class token, and the mean over patches or pixels.",
        checks=results.checks_of(residual_cases(each)),
        figures=map(figure, each),
        tables=(table(each),) if each else (),
        data=(
            results.csv(
                ANALYSIS,
                "one line per residual sum and kind of token: norm ratio, cosine",
                labels=("residual", "kind", "token", "depth"),
                variables=("ratio", "cosine"),
            ),
        ),
    )


def _lines(one: ModelResult) -> list[tuple[str, str, str]]:
    """Kind, token and label of every curve of a model's figure."""
    several = (one.own["token"].values == "cls").any()
    return [
        (kind, token, f"{name}, {TOKENS[token]}" if several else name)
        for kind, name in BRANCHES.items()
        for token in TOKENS
        if rows_of(one.own, token=token, kind=kind).any()
    ]


def _words(one: ModelResult) -> str:
    """Mean ratio in both halves of the network, for the alternative text of its figure."""
    each = []
    for kind, token, label in _lines(one):
        of = partial(rows_of, one.own, token=token, kind=kind)
        low, high = (one.own["ratio"].values[of(part=part)] for part in ("lower", "upper"))
        if len(low) and len(high):
            each.append(f"{label} {low.mean():.1f} in the lower half, {high.mean():.1f} above")
    return f"{one.model}: norm of the skip over the branch, on average: {'; '.join(each)}."


def figure(one: ModelResult) -> Figure:
    """Ratio and cosine by depth."""
    panels = [
        draw.Panel(
            title,
            unit,
            [
                curve
                for kind, token, label in _lines(one)
                for curve in curves(
                    one, name, label, at="depth", where=partial(rows_of, token=token, kind=kind)
                )
            ],
            level=level,
            log=name == "ratio",
        )
        for name, title, unit, level in (
            ("ratio", "Norm of skip over branch", "norm ratio", 1.0),
            ("cosine", "Angle of skip and branch", "cosine", 0.0),
        )
    ]
    return render_figure(
        f"skips-{slug(one.model)}",
        draw.panels(panels, along="depth (0 input, 1 output)", level="equal norms; right angle"),
        alt=_words(one),
        caption=f"Skip and branch at every residual sum of {one.model}. Bands are 95 % intervals "
        "over images.",
        data=ANALYSIS,
        models=[one.model],
    )


def table(each: list[ModelResult]) -> Table:
    """Mean ratio of both halves and mean cosine, a row per curve of the figures."""
    rows: list[tuple[write.Cell, ...]] = []
    for one in each:
        for kind, token, label in _lines(one):
            of = partial(rows_of, token=token, kind=kind)
            rows.append(
                (
                    one.model,
                    label,
                    mean_of(one.own, "ratio", of(one.own, part="lower")),
                    mean_of(one.own, "ratio", of(one.own, part="upper")),
                    None
                    if one.untrained is None
                    else mean_of(one.untrained, "ratio", of(one.untrained)),
                    mean_of(one.own, "cosine", of(one.own)),
                )
            )
    return Table(
        (
            "model",
            "branch",
            "ratio, lower half",
            "ratio, upper half",
            "ratio, untrained",
            "cosine",
        ),
        tuple(rows),
        caption="Means over residual sums, with 95 % intervals over images.",
        decimals=2,
    )
