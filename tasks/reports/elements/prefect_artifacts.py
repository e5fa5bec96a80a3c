"""Prefect artifacts of a report: claims and numbers as tables, summary and a figure as Markdown."""

import base64
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.context import TaskRunContext

from seelike.storage.digest import slug
from seelike.storage.places.place import as_json
from seelike.storage.reports.write import EstimateLike, Figure, Page, Table
from seelike.tasks.reports.elements.tables import ends
from seelike.tasks.runtime.run_log import run_log

# The Prefect UI shows pictures inside the text of an artifact, which should stay small.
PICTURE_BYTES = 150_000

Row = dict[str, Any]


def artifacts(page: Page, *, study: str) -> bytes:
    """Build the artifacts of a report: claims, numbers, and a summary with a figure.

    Args:
        page: The report.
        study: Name of the study, part of the artifacts' keys.

    Returns:
        JSON for ``publish``: they are kept beside the report, for runs that find it unchanged.
    """
    name = slug(study)
    made: list[Row] = []
    claims = list(claim_rows(page))
    if claims:
        about = f"Claims of the paper on the networks of {study}."
        made.append({"key": f"claims-{name}", "description": about, "table": claims})
    # The first table of a report has the numbers within every model.
    tables = [table for section in page.sections for table in section.tables]
    for table in tables[:1]:
        rows = list(table_rows(table))
        made.append({"key": f"numbers-{name}", "description": table.caption, "table": rows})
    text = summary(page)
    made.append({"key": f"report-{name}", "description": page.title, "markdown": text})
    return as_json(made)


def publish(content: bytes, *, report: str) -> None:
    """Show ``content``, of ``artifacts``, in the Prefect UI beside the task run.

    Outside of a task run nothing is shown. An error is logged as a warning: the report itself
    is written by then.

    Args:
        content: The artifacts.
        report: Path or URL of the report, named in the summary.
    """
    if TaskRunContext.get() is None or not content:
        return
    try:
        for one in json.loads(content):
            if "table" in one:
                create_table_artifact(**one)
            else:
                one["markdown"] += f"\n\nThe whole report: {place_of(report)}"
                create_markdown_artifact(**one)
    except Exception as error:
        run_log().warning(f"the artifacts of the report were not written: {error}")


def claim_rows(page: Page) -> Iterator[Row]:
    """One row per number of every case of every claim."""
    for check, _ in page.verdicts:
        for case in check.cases:
            for one in case.numbers:
                # The claim last: it is long, and the numbers would be out of sight.
                yield {
                    "experiment": check.experiment,
                    "verdict": check.verdict,
                    "networks": case.networks,
                    "case verdict": case.verdict,
                    "number": one.measure,
                    **_spread("trained", one.trained),
                    **_spread("untrained", one.untrained),
                    **_spread("learned", one.learned),
                    "claim": check.claim,
                }


def table_rows(table: Table) -> Iterator[Row]:
    """The rows of ``table``; an estimate takes three columns."""
    estimates = {
        title
        for row in table.rows
        for title, cell in zip(table.header, row, strict=True)
        if isinstance(cell, EstimateLike)
    }
    for row in table.rows:
        shown: Row = {}
        for title, cell in zip(table.header, row, strict=True):
            if title in estimates:
                shown |= _spread(title, cell if isinstance(cell, EstimateLike) else None)
            else:
                shown[title] = cell if isinstance(cell, str) else _plain(cell)
        yield shown


def _spread(title: str, number: EstimateLike | None) -> Row:
    """Three columns per estimate."""
    value, low, high = ends(number)
    return {title: _plain(value), f"{title} low": _plain(low), f"{title} high": _plain(high)}


def _plain(number: Any) -> float | None:
    """A number as JSON allows it: a finite float with four decimals, or None."""
    if number is None or not math.isfinite(number):
        return None
    return round(float(number), 4)


def summary(page: Page) -> str:
    """Markdown with the lead, the warnings and the first figure."""
    lines = [_escaped(line) for line in (*page.lead, *page.warnings)]
    lines += [_picture(figure) for figure in page.figures[:1]]
    return "\n\n".join(lines)


def _escaped(text: str) -> str:
    """``text`` with the characters escaped that Markdown would interpret."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", text)


def _picture(figure: Figure) -> str:
    content = base64.b64encode(shrink_png(figure.png, at_most=PICTURE_BYTES)).decode()
    return f"![{_escaped(figure.alt)}](data:image/png;base64,{content})"


def place_of(report: str) -> str:
    """A link for a web address; otherwise the path, because the Prefect UI opens no files."""
    if report.startswith(("http://", "https://")):
        return f"[{report}]({report})"
    return f"`{report if '://' in report else Path(report).absolute()}`"


def shrink_png(png: bytes, *, at_most: int) -> bytes:
    """``png`` in 256 colours, with as many pixels as fit into ``at_most`` bytes."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    while True:
        content = io.BytesIO()
        picture.quantize(256, dither=Image.Dither.NONE).save(content, "png", optimize=True)
        if content.tell() <= at_most or min(picture.size) < 64:
            return content.getvalue()
        picture = picture.resize(
            (picture.width * 3 // 4, picture.height * 3 // 4), Image.Resampling.LANCZOS
        )
