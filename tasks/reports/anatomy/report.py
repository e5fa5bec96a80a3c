"""The task that writes the report of an anatomy."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.storage.reports.page import Page
from seelike.tasks.reports.elements.keeping import contents, keep_or_draw
from seelike.tasks.reports.elements.page import NO_FAILURES
from seelike.tasks.results import AnatomyResult
from seelike.tasks.runtime.retries import RETRIES


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIES)
def write_anatomy(
    reference: AnatomyResult,
    *,
    images: dict[str, Any],
    folder: str,
    missing: Mapping[str, str] = NO_FAILURES,
) -> AnatomyResult:
    """Draw the report of an anatomy and write it, unless the same report is there.

    Args:
        reference: The anatomy in a store.
        images: Description of the image set.
        folder: Where the report goes.
        missing: Models of the study that failed, and why.

    Returns:
        The same anatomy with the path of its report.
    """
    index = keep_or_draw(
        folder,
        partial(_draw, reference, images, missing),
        of={"anatomy": contents(reference), "images": images, "missing": dict(missing)},
        store=reference.store,
    )
    return replace(reference, report=index)


def _draw(reference: AnatomyResult, images: dict[str, Any], missing: Mapping[str, str]) -> Page:
    # Drawing loads matplotlib and Bokeh: a report that is kept needs neither.
    from seelike.tasks.reports.anatomy.page import build_page

    return build_page(reference, images=images, missing=missing)
