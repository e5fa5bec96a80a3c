"""The task that writes the report of probes."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.storage.reports.page import Page
from seelike.tasks.reports.elements.keeping import contents, keep_or_draw
from seelike.tasks.reports.elements.page import NO_FAILURES
from seelike.tasks.results import ProbesResult
from seelike.tasks.runtime.retries import RETRIES


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIES)
def write_probes(
    reference: ProbesResult,
    *,
    images: dict[str, Any],
    folder: str,
    missing: Mapping[str, str] = NO_FAILURES,
) -> ProbesResult:
    """Draw the report of probes and write it, unless the same report is there.

    Args:
        reference: Probes in a store.
        images: Description of the image set.
        folder: Where the report goes.
        missing: Models of the study that failed, and why.

    Returns:
        The same probes with the path of their report.
    """
    index = keep_or_draw(
        folder,
        partial(_draw, reference, images, missing),
        of={"probes": contents(reference), "images": images, "missing": dict(missing)},
        store=reference.store,
    )
    return replace(reference, report=index)


def _draw(reference: ProbesResult, images: dict[str, Any], missing: Mapping[str, str]) -> Page:
    # Drawing loads matplotlib and Bokeh: a report that is kept needs neither.
    from seelike.tasks.reports.probing.page import build_page

    return build_page(reference, images=images, missing=missing)
