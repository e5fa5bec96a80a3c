"""Write a report into a folder: one HTML page, and its figures and CSV files beside it."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

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

INDEX = "index.html"
# Lineage of every figure, for programs: `seelike report --trace` reads it.
TRACES = "provenance.json"
# A change of how traces are written changes this number.
FORMAT = 1
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
# List of a page's files, from which the next report removes those that it lacks.
_FILES = re.compile(r'<meta name="seelike-report" content="([a-z0-9./ -]*)">')


def write(folder: str, page: Page, *, store: str = "") -> str:
    """Write ``page`` as index.html, with figures/*.png, figures/*.svg and data/*.csv beside it.

    Everything is rendered before anything is written; each file is written whole or not at all,
    the page last. Then files of the page before that are no longer used are removed.

    Args:
        folder: A path or a bucket's URL.
        page: The report.
        store: URL of the store that the figures' lineage refers to, for provenance.json.

    Returns:
        Path or URL of index.html.

    Raises:
        StorageError: A name unfit for a file or used twice, a broken table or picture, or a
            folder with an index.html that is no seelike report.
    """
    place = open_place(folder)
    former = _former_files(place)
    files = dict(_files(page, store))
    rendered = html(page, files)
    place.write_all(files.items())
    place.write(INDEX, rendered.encode())
    for name in former - set(files):
        place.remove(name)
    return f"{folder.rstrip('/')}/{INDEX}"


def check_folder(folder: str) -> None:
    """Raise ``StorageError`` where no report can be written: a file, no bucket, another page."""
    place = open_place(folder)
    place.check()
    _former_files(place)


def _files(page: Page, store: str) -> Iterator[tuple[str, bytes]]:
    """Path and content of every file beside the page, after all names were checked."""
    for kind, names in (
        ("figure", [figure.name for figure in page.figures]),
        ("data", [csv.name for csv in page.data]),
    ):
        for name in names:
            if not _NAME.fullmatch(name):
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
    traced = {figure.name: list(map(as_record, figure.origins)) for figure in page.figures}
    yield TRACES, as_json({"format": FORMAT, "store": store, "figures": traced})


def traces(folder: str) -> Mapping[str, Any] | None:
    """Lineage of the figures of the report in ``folder``.

    Returns:
        ``store``, its URL, and ``figures``, records of ``as_record`` by figure; None without a
        report.

    Raises:
        StorageError: Another format version, or a damaged file.
    """
    place = open_place(folder)
    content = place.read(TRACES)
    if content is None:
        return None
    try:
        found: dict[str, Any] = json.loads(content)
        version = found["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{place.url}/{TRACES} is damaged; draw the report again: `seelike report STUDY`"
        ) from error
    if version != FORMAT:
        raise StorageError(
            f"report {place.url} has format {version}, this seelike writes format {FORMAT}; "
            "draw it again: `seelike report STUDY`"
        )
    return found


def _former_files(place: Place) -> set[str]:
    """Files that the page there lists; ``StorageError`` for a page that is no seelike report."""
    page = place.read(INDEX)
    if page is None:
        return set()
    listed = _FILES.search(page.decode(errors="replace"))
    if listed is None:
        raise StorageError(
            f"{place.url}/{INDEX} exists and is no seelike report; "
            "name another folder or move it away"
        )
    wanted = re.compile(
        rf"(figures/{_NAME.pattern}\.(png|svg)|data/{_NAME.pattern}\.csv|{re.escape(TRACES)})"
    )
    return {name for name in listed[1].split() if wanted.fullmatch(name)}
