"""The task that writes the report of a reproduction."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.storage.reports.page import Page
from seelike.tasks.reports.elements.keeping import contents, keep_or_draw
from seelike.tasks.reports.elements.page import NO_FAILURES
from seelike.tasks.results import ReproductionResult
from seelike.tasks.runtime.retries import RETRIES


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIES)
def write_reproduction(
    found: ReproductionResult,
    *,
    folder: str,
    missing: Mapping[str, str] = NO_FAILURES,
) -> ReproductionResult:
    """Draw the report of a reproduction and write it, unless the same report is there.

    Args:
        found: Comparison, anatomy and probes of the study.
        folder: Where the report goes.
        missing: Models of the study that failed, and why.

    Returns:
        The same reproduction with the path of its report.
    """
    dataset = found.comparison.open()
    parts = (found.comparison, found.fine, found.anatomy, found.probes, found.transfer)
    index = keep_or_draw(
        folder,
        partial(_draw, found, missing),
        of={
            "parts": [part and contents(part) for part in parts],
            "models": dict(found.available.models),
            "unprobed": found.unprobed,
            "missing": dict(missing),
        },
        store=found.store,
        study=f"{dataset.attrs['study']} reproduced",
    )
    return replace(found, report=index)


def _draw(found: ReproductionResult, missing: Mapping[str, str]) -> Page:
    # Drawing loads matplotlib and Bokeh: a report that is kept needs neither.
    from seelike.tasks.reports.comparison.comparison_view import ComparisonView
    from seelike.tasks.reports.reproduction.page import build_page

    view = ComparisonView(found.comparison.open().load())
    return build_page(found, view, missing=missing)
