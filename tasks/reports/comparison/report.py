"""The task that writes the report of a comparison."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.storage.reports.page import Page
from seelike.tasks.reports.elements.keeping import contents, keep_or_draw
from seelike.tasks.reports.elements.page import NO_FAILURES
from seelike.tasks.results import ComparisonResult
from seelike.tasks.runtime.retries import RETRIES


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIES)
def write_report(
    comparison: ComparisonResult, *, folder: str, missing: Mapping[str, str] = NO_FAILURES
) -> ComparisonResult:
    """Draw the report of ``comparison`` and write it, unless the same report is there.

    Args:
        comparison: A comparison in a store.
        folder: Where the report goes.
        missing: Models of the study that failed, and why.

    Returns:
        The same comparison with the path of its report.
    """
    dataset = comparison.open()
    index = keep_or_draw(
        folder,
        partial(_draw, comparison, missing),
        of={"comparison": contents(comparison), "missing": dict(missing)},
        store=comparison.store,
        study=dataset.attrs["study"],
    )
    return replace(comparison, report=index)


def _draw(comparison: ComparisonResult, missing: Mapping[str, str]) -> Page:
    # Drawing loads matplotlib and Bokeh: a report that is kept needs neither.
    from seelike.tasks.reports.comparison.comparison_view import ComparisonView
    from seelike.tasks.reports.comparison.page import build_page
    from seelike.tasks.reports.elements.lineage import from_comparison

    return build_page(
        ComparisonView(comparison.open().load()),
        name=comparison.name,
        origins=from_comparison(comparison),
        missing=missing,
    )
