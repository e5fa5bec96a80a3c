"""A report: one HTML page that needs nothing beside it, its figures and numbers as files too.

The caller draws, measures and words; here is only how it is laid out and kept.
"""

import base64
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from storage.errors import StorageError
from storage.place import Place, at

# Figures are drawn at two pixels for each pixel of the page: sharp on fine screens.
_PIXELS = 2
# Browsers refuse to save a data: link above 2 MB; longer numbers are only beside the page.
_EMBEDDED_AT_MOST = 1_000_000
INDEX = "index.html"
_TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
# Where a page lists its files, so that the next one can take away those it lacks.
_FILES = re.compile(r'<meta name="seelike-report" content="([a-z0-9./ -]*)">')


@dataclass(frozen=True)
class Estimate:
    """A number and, where there is one, its interval; None shows as a dash."""

    value: float | None
    low: float | None = None
    high: float | None = None


Cell = str | int | float | Estimate | None


@dataclass(frozen=True)
class Figure:
    """A drawing: ``name`` becomes the files', ``alt`` states the finding, ``data`` names a Csv."""

    name: str
    png: bytes
    svg: bytes
    alt: str
    caption: str
    data: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page."""
        width, height = (int.from_bytes(self.png[at : at + 4]) for at in (16, 20))
        return width // _PIXELS, height // _PIXELS


@dataclass(frozen=True)
class Table:
    """Rows under a header; columns of numbers stand right, floats show ``decimals`` places."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    decimals: int = 3


@dataclass(frozen=True)
class Check:
    """One claim of the paper beside what was measured, each number under its own label."""

    experiment: str
    claim: str
    measured: tuple[tuple[str, Estimate], ...]
    verdict: Literal["holds", "does not hold", "can't tell"]
    untrained: tuple[tuple[str, Estimate], ...] = ()
    remark: str = ""
    id: str = ""


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it, in this order."""

    title: str
    paragraphs: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Group:
    """A part of the provenance, folded away: names with values, and tables."""

    title: str
    items: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Csv:
    """Numbers to take along: ``name`` becomes the file's, ``about`` says what a line holds."""

    name: str
    text: str
    about: str = ""


@dataclass(frozen=True)
class Page:
    """A report: the finding first (``lead``), then sections, provenance and data."""

    title: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...]
    provenance: tuple[Group, ...] = ()
    data: tuple[Csv, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def write(folder: str, page: Page) -> str:
    """Write ``page`` as ``folder``/index.html, with figures/*.png, *.svg and data/*.csv beside it.

    ``folder`` may be a path or a bucket's URL; what comes back is the same, with the page's name.

    Rendered before anything is written, each file whole or not at all, the page last; then files
    of the page it replaces go that the new one lacks. Raises ``StorageError`` for a name unfit
    for a file or used twice, a broken table or picture, and a folder with another's index.html.
    """
    place = at(folder)
    former = _former_files(place)
    files = dict(_files(page))
    html = _render(page, files)
    place.write_all(files.items())
    place.write(INDEX, html.encode())
    for name in former - set(files):
        place.remove(name)
    return f"{folder.rstrip('/')}/{INDEX}"


def check_folder(folder: str) -> None:
    """Raise ``StorageError`` where no report may go: a file, no bucket, or another's page."""
    place = at(folder)
    place.check()
    _former_files(place)


def _files(page: Page) -> Iterator[tuple[str, bytes]]:
    """Each file's path in the folder and its content, after all names were checked."""
    figures = [figure for section in page.sections for figure in section.figures]
    for kind, names in (
        ("figure", [figure.name for figure in figures]),
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
    for figure in figures:
        if not figure.png.startswith(_PNG_HEAD):
            raise StorageError(f"figure '{figure.name}': its png is no PNG; draw it again")
        if figure.data and figure.data not in {csv.name for csv in page.data}:
            raise StorageError(f"figure '{figure.name}' names data '{figure.data}', add it")
        yield f"figures/{figure.name}.png", figure.png
        yield f"figures/{figure.name}.svg", figure.svg
    for csv in page.data:
        yield f"data/{csv.name}.csv", csv.text.encode()


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
    wanted = re.compile(rf"(figures/{_NAME.pattern}\.(png|svg)|data/{_NAME.pattern}\.csv)")
    return {name for name in listed[1].split() if wanted.fullmatch(name)}


def _render(page: Page, files: dict[str, bytes]) -> str:
    """The page as HTML; all text is escaped, numbers and files come through filters."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": _cell, "numeric": _numeric, "data": _data, "size": _size}
    template = environment.get_template("report.html")
    return template.render(page=page, files=files, embedded_at_most=_EMBEDDED_AT_MOST)


def _cell(value: Cell, decimals: int) -> str:
    """How a table shows ``value``; what is not finite is refused, a missing value is a dash."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, Estimate):
        shown = _cell(value.value, decimals)
        if value.low is None or value.high is None:
            return shown
        return f"{shown} [{_cell(value.low, decimals)}, {_cell(value.high, decimals)}]"
    if isinstance(value, str):
        return value
    if isinstance(value, Integral):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if not math.isfinite(value):
        raise StorageError(f"a table holds {value}; expected a finite number, or None")
    # Adding zero turns -0.0 into 0.0.
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _numeric(table: Table) -> list[bool]:
    """For each column whether it holds numbers alone; ``StorageError`` for ragged rows."""
    for row in table.rows:
        if len(row) != len(table.header):
            raise StorageError(
                f"table '{table.caption}': a row has {len(row)} cells under "
                f"{len(table.header)} headings"
            )
    columns = zip(*table.rows, strict=True) if table.rows else ((),) * len(table.header)
    return [bool(column) and not any(isinstance(v, str) for v in column) for column in columns]


def _data(content: bytes, kind: str) -> str:
    """``content`` as a data: address of the media type ``kind``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _size(content: bytes) -> str:
    """How much there is of ``content``, for a reader."""
    if len(content) < 1_000_000:
        return f"{max(1, round(len(content) / 1000))} kB"
    return f"{len(content) / 1_000_000:.1f} MB"
