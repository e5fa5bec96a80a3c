"""The task that writes the report of a map."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.storage.reports.page import Page
from seelike.tasks.reports.elements.keeping import contents, keep_or_draw
from seelike.tasks.reports.elements.page import NO_FAILURES
from seelike.tasks.results import MapResult
from seelike.tasks.runtime.retries import RETRIES


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIES)
def write_map(
    reference: MapResult, *, folder: str, missing: Mapping[str, str] = NO_FAILURES
) -> MapResult:
    """Draw the report of a map and write it, unless the same report is there.

    Args:
        reference: A map in a store.
        folder: Where the report goes.
        missing: Models of the study that failed, and why.

    Returns:
        The same map with the path of its report.
    """
    index = keep_or_draw(
        folder,
        partial(_draw, reference, missing),
        of={"map": contents(reference), "missing": dict(missing)},
        store=reference.store,
    )
    return replace(reference, report=index)


def _draw(reference: MapResult, missing: Mapping[str, str]) -> Page:
    # Drawing loads matplotlib and Bokeh: a report that is kept needs neither.
    from seelike.tasks.reports.model_map.page import build_page

    return build_page(reference, missing=missing)
