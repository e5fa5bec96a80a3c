"""A page as one HTML file; figures, CSV and explorers are inside it, compressed."""

import base64
import gzip
import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files as package_files
from numbers import Integral
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from seelike.storage.errors import StorageError
from seelike.storage.reports.page import Cell, EstimateLike, Page, Table

# Larger CSV files are only beside the page: it has to open fast.
_CARRIED_AT_MOST = 5_000_000
_TEMPLATES = Path(__file__).parent / "templates"
_BOKEH = "server/static/js/bokeh.min.js"
_KINDS = {"svg": "image/svg+xml", "csv": "text/csv;charset=utf-8"}


def html(page: Page, files: Mapping[str, bytes]) -> str:
    """Render ``page`` as one HTML file; all text is escaped.

    Args:
        page: The report.
        files: Files beside the page by path; those of at most 5 MB are in the page, too.

    Raises:
        StorageError: A table has rows of unequal length or a number that is not finite.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": _cell, "numeric": _numeric, "data": _data, "size": _size}
    return environment.get_template("report.html").render(
        page=page,
        files=files,
        style=(_TEMPLATES / "report.css").read_text(),
        script=(_TEMPLATES / "report.js").read_text(),
        packed=_packed(page, files),
        kinds=_KINDS,
    )


def _packed(page: Page, files: Mapping[str, bytes]) -> dict[str, str]:
    """Compressed files, explorers and Bokeh by name, for the page's script."""
    packed = {
        path: _pack(content)
        for path, content in files.items()
        if path.rpartition(".")[2] in _KINDS and len(content) <= _CARRIED_AT_MOST
    }
    explorers = {f"explorer/{f.name}": f.explorer for f in page.figures if f.explorer}
    packed |= {name: _pack(document.encode()) for name, document in explorers.items()}
    return packed | ({"bokeh": _bokeh()} if explorers else {})


def _pack(content: bytes) -> str:
    """Compress ``content`` into base64; the same content gives the same letters."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


@cache
def _bokeh() -> str:
    """Bokeh's script from its package, which draws explorers."""
    return _pack(package_files("bokeh").joinpath(_BOKEH).read_bytes())


def _cell(value: Cell, decimals: int) -> str:
    """Format ``value`` for a table; a missing value is a dash, one that is not finite an error."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, EstimateLike):
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
    """Per column, whether it holds numbers alone; ``StorageError`` for rows of unequal length."""
    for row in table.rows:
        if len(row) != len(table.header):
            raise StorageError(
                f"table '{table.caption}': a row has {len(row)} cells under "
                f"{len(table.header)} headings"
            )
    columns = zip(*table.rows, strict=True) if table.rows else ((),) * len(table.header)
    return [bool(column) and not any(isinstance(v, str) for v in column) for column in columns]


def _data(content: bytes, kind: str) -> str:
    """``content`` as a data: URL of the media type ``kind``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _size(content: bytes) -> str:
    """Size of ``content`` in kB or MB."""
    if len(content) < 1_000_000:
        return f"{max(1, round(len(content) / 1000))} kB"
    return f"{len(content) / 1_000_000:.1f} MB"
