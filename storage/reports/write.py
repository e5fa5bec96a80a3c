"""Write a report into a folder: one HTML page, and its figures and CSV files beside it."""

import re
from collections.abc import Iterator

from seelike.storage.errors import StorageError
from seelike.storage.places.place import Place, as_json, open_place
from seelike.storage.reports.html import html
from seelike.storage.reports.origins import Lineage, as_record
from seelike.storage.reports.page import (
    Case,
    Cell,
    Check,
    Csv,
    EstimateLike,
    Figure,
    Group,
    Method,
    Numbers,
    Page,
    Section,
    Table,
)
from seelike.storage.reports.read import (
    ARTIFACTS,
    FORMAT,
    INDEX,
    NAME,
    TRACES,
    allowed,
    files_of,
    index_of,
    sha256,
    traces_digest,
)

__all__ = [
    "Case",
    "Cell",
    "Check",
    "Csv",
    "EstimateLike",
    "Figure",
    "Group",
    "Lineage",
    "Method",
    "Numbers",
    "Page",
    "Section",
    "Table",
    "check_folder",
    "write",
]

_PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
# List of a page's files, from which the next report removes those that it lacks.
_FILES = re.compile(r'<meta name="seelike-report" content="([a-z0-9./ -]*)">')


def write(
    folder: str, page: Page, *, store: str = "", drawn_from: str = "", artifacts: bytes = b""
) -> str:
    """Write ``page`` as index.html, with figures/*.png, figures/*.svg and data/*.csv beside it.

    Everything is rendered before anything is written; each file is written whole or not at all,
    the page last. Then files of the page before that are no longer used are removed.

    Args:
        folder: A path or a bucket's URL.
        page: The report.
        store: URL of the store that the figures' lineage refers to, for provenance.json.
        drawn_from: Digest of all that the page depends on, for ``unchanged``.
        artifacts: What the Prefect UI shows of it, for artifacts.json; no such file if empty.

    Returns:
        Path or URL of index.html.

    Raises:
        StorageError: A name unfit for a file or used twice, a broken table or picture, or a
            folder with an index.html that is no seelike report.
    """
    place = open_place(folder)
    former = _former_files(place)
    files = dict(_files(page))
    if artifacts:
        files[ARTIFACTS] = artifacts
    rendered = html(page, files | {TRACES: b""}).encode()
    traces = {
        "format": FORMAT,
        "store": store,
        "figures": {one.name: list(map(as_record, one.origins)) for one in page.figures},
        "drawn_from": drawn_from,
        "files": {name: sha256(content) for name, content in (*files.items(), (INDEX, rendered))},
    }
    files[TRACES] = as_json(traces | {"sha256": traces_digest(traces)})
    place.write_all(files.items())
    place.write(INDEX, rendered)
    for name in former - set(files):
        place.remove(name)
    return index_of(folder)


def check_folder(folder: str) -> None:
    """Raise ``StorageError`` where no report can be written: a file, no bucket, another page."""
    place = open_place(folder)
    place.check()
    _former_files(place)


def _files(page: Page) -> Iterator[tuple[str, bytes]]:
    """Path and content of every file beside the page, after all names were checked."""
    for kind, names in (
        ("figure", [figure.name for figure in page.figures]),
        ("data", [csv.name for csv in page.data]),
    ):
        for name in names:
            if not NAME.fullmatch(name):
                raise StorageError(
                    f"{kind} name {name!r} cannot name a file; "
                    "use lower-case letters, digits and single dashes"
                )
            if names.count(name) > 1:
                raise StorageError(f"{kind} name '{name}' is used twice; give each {kind} its own")
    for figure in page.figures:
        if not figure.png.startswith(_PNG_HEAD):
            raise StorageError(f"figure '{figure.name}': its png is not a PNG file; draw it again")
        if figure.data and figure.data not in {csv.name for csv in page.data}:
            raise StorageError(f"figure '{figure.name}' names data '{figure.data}', add it")
        yield f"figures/{figure.name}.png", figure.png
        yield f"figures/{figure.name}.svg", figure.svg
    for csv in page.data:
        yield f"data/{csv.name}.csv", csv.text.encode()


def _former_files(place: Place) -> set[str]:
    """Files that the page there lists; ``StorageError`` for a page that is no seelike report."""
    page = place.read(INDEX)
    if page is None:
        return set()
    listed = _FILES.search(page.decode(errors="replace"))
    if listed is None and (damaged := files_of(place)):
        return damaged - {INDEX}
    if listed is None:
        raise StorageError(
            f"{place.url}/{INDEX} exists and is no seelike report; "
            "name another folder or move it away"
        )
    return {name for name in listed[1].split() if name != INDEX and allowed(name)}
