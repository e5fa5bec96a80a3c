"""Frame of an anatomy's sections: introduction, claims, parts left out, method."""

from collections.abc import Callable, Iterable, Sequence

from seelike.storage.reports.write import Check, Csv, Figure, Section, Table
from seelike.tasks.reports.elements.model_results import AnalysisResults
from seelike.tasks.reports.methods.anatomy import anatomy_method

# Builds a section with its figures, tables and CSV files.
SectionBuilder = Callable[[AnalysisResults], Section]


def section_of(
    results: AnalysisResults,
    title: str,
    introduction: str,
    *,
    checks: Sequence[Check] = (),
    sentences: Iterable[str] = (),
    figures: Iterable[Figure] = (),
    tables: Sequence[Table] = (),
    data: Sequence[Csv] = (),
) -> Section:
    """Put a section together.

    Args:
        results: The analysis of all models.
        title: Its heading.
        introduction: What was measured.
        checks: The claims.
        sentences: Further paragraphs, before those on what was left out.
        figures: Figures in reading order.
        tables: Tables below the figures.
        data: CSV files.
    """
    return Section(
        title,
        paragraphs=(introduction, *sentences, *results.left_out()),
        checks=tuple(checks),
        figures=tuple(figures),
        tables=tuple(tables),
        method=anatomy_method(results.analysis, results.attributes),
        data=tuple(data),
    )
