"""A report: one HTML page that needs nothing beside it, its figures and numbers as files too.

The caller draws, measures and words; here is only how it is laid out and kept.
"""

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
    Estimate,
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
    "Estimate",
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
# What each figure was drawn from, for programs: `seelike report --trace` reads it.
TRACES = "provenance.json"
# A change of how traces are written changes this number.
FORMAT = 1
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
# Where a page lists its files, so that the next one can take away those it lacks.
_FILES = re.compile(r'<meta name="seelike-report" content="([a-z0-9./ -]*)">')


def write(folder: str, page: Page, *, store: str = "") -> str:
    """Write ``page`` as ``folder``/index.html, with figures/*.png, *.svg and data/*.csv beside it.

    ``folder`` may be a path or a bucket's URL; what comes back is the same, with the page's name.
    ``store`` is where the origins of its figures are, which provenance.json lists.

    Rendered before anything is written, each file whole or not at all, the page last; then files
    of the page it replaces go that the new one lacks. Raises ``StorageError`` for a name unfit
    for a file or used twice, a broken table or picture, and a folder with another's index.html.
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
    """Raise ``StorageError`` where no report may go: a file, no bucket, or another's page."""
    place = open_place(folder)
    place.check()
    _former_files(place)


def _files(page: Page, store: str) -> Iterator[tuple[str, bytes]]:
    """Each file's path in the folder and its content, after all names were checked."""
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
                raise StorageError(f"{kind} name '{name}' stands twice; give each its own")
    for figure in page.figures:
        if not figure.png.startswith(_PNG_HEAD):
            raise StorageError(f"figure '{figure.name}': its png is no PNG; draw it again")
        if figure.data and figure.data not in {csv.name for csv in page.data}:
            raise StorageError(f"figure '{figure.name}' names data '{figure.data}', add it")
        yield f"figures/{figure.name}.png", figure.png
        yield f"figures/{figure.name}.svg", figure.svg
    for csv in page.data:
        yield f"data/{csv.name}.csv", csv.text.encode()
    traced = {figure.name: list(map(as_record, figure.origins)) for figure in page.figures}
    yield TRACES, as_json({"format": FORMAT, "store": store, "figures": traced})


def traces(folder: str) -> Mapping[str, Any] | None:
    """What the report in ``folder`` says its figures were drawn from; None where there is none.

    Holds ``store`` and ``figures``, lists of origins' records by figure. Raises ``StorageError``
    for what another format version, or something else, wrote.
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
    """The files that the page there lists; ``StorageError`` where it is none of ours."""
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
