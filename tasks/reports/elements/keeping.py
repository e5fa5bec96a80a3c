"""Keep a report that would be drawn the same again, or draw it."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from seelike.storage.arrays.xarray_datasets import attributes
from seelike.storage.digest import content_digest, digest
from seelike.storage.reports.read import artifacts_of, index_of, unchanged
from seelike.storage.reports.write import Page, write
from seelike.tasks.reports.elements.prefect_artifacts import artifacts, publish
from seelike.tasks.results import AnatomyResult, ComparisonResult, MapResult
from seelike.tasks.runtime.run_log import run_log

# Code that a page depends on, and the packages that render it.
_CODE = ("seelike.analysis", "seelike.storage.reports", "seelike.tasks")
_RENDERING = ("matplotlib", "bokeh", "jinja2", "numpy", "pillow", "scipy", "xarray")


def keep_or_draw(
    folder: str,
    draw: Callable[[], Page],
    *,
    of: Mapping[str, Any],
    store: str = "",
    study: str = "",
) -> str:
    """Write the report that ``draw`` builds, unless the folder has it already.

    Args:
        folder: A path or a bucket's URL.
        draw: Builds the page; not called where the report there was drawn from the same.
        of: All numbers and names that the page depends on, as JSON: digests of what it shows.
        store: URL of the store that the figures' lineage refers to.
        study: Names the report's artifacts in the Prefect UI; without it there are none.

    Returns:
        Path or URL of the page.
    """
    drawn_from = digest({"of": of, "study": study, "by": _drawn_by()})
    index = index_of(folder)
    if unchanged(folder, drawn_from, store=store):
        run_log().info(f"report unchanged: {index}")
        publish(artifacts_of(folder), report=index)
        return index
    page = draw()
    shown = artifacts(page, study=study) if study else b""
    write(folder, page, store=store, drawn_from=drawn_from, artifacts=shown)
    publish(shown, report=index)
    run_log().info(f"report: {index}")
    return index


def contents(result: ComparisonResult | MapResult | AnatomyResult) -> list[Any]:
    """Digests and attributes of the datasets of a result, and what is known of models without.

    Args:
        result: What a report is drawn from.

    Returns:
        JSON that differs where anything differs that the report can show.
    """
    if not isinstance(result, AnatomyResult):
        return [result.name, result.open().attrs]
    return [
        [
            *(one.plan.name, one.plan.subject.trained, one.plan.subject.baseline_of),
            *(one.plan.facts, one.analysis, one.name, one.missing_part, one.out_of_range),
            attributes(result.opened, one.name, kind=result.kind) if one.name else None,
        ]
        for one in result.found
    ]


@cache
def _drawn_by() -> dict[str, str]:
    """Digest of seelike's own code and templates, and versions of the packages that render."""
    own = [content for package in _CODE for content in _sources(files(package))]
    return {"seelike": content_digest(own)} | {name: version(name) for name in _RENDERING}


def _sources(folder: Traversable) -> list[bytes]:
    """Names and contents of the files below ``folder``, in order of their names."""
    found: list[bytes] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += [] if entry.name == "__pycache__" else _sources(entry)
        elif not entry.name.endswith(".pyc"):
            found += [entry.name.encode(), entry.read_bytes()]
    return found
