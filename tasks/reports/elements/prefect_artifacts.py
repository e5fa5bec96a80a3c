"""A report in its run's page: the numbers as tables, the finding and the heatmaps as a picture."""

import base64
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.context import TaskRunContext

from seelike.storage.digest import slug
from seelike.storage.reports.write import Estimate, Figure, Page, Table
from seelike.tasks.runtime.run_log import run_log

# A page of Prefect's shows a picture that stands in its text; one this large is no burden.
PICTURE_BYTES = 150_000

Row = dict[str, Any]


def show_report(page: Page, *, study: str, report: Path | str) -> None:
    """Write ``page`` as artifacts of the task run: claims, numbers, and a picture with words.

    Outside of a task run nothing is written; what the server does not take, the run's log says:
    the report itself is written by then.
    """
    if TaskRunContext.get() is None:
        return
    try:
        _write(page, study=study, report=report)
    except Exception as error:
        run_log().warning(f"the artifacts of the report were not written: {error}")


def _write(page: Page, *, study: str, report: Path | str) -> None:
    name = slug(study)
    claims = list(claim_rows(page))
    if claims:
        create_table_artifact(
            claims, key=f"claims-{name}", description=f"The study's claims on {study}'s networks."
        )
    # The first table of a report holds the numbers within every model.
    tables = [table for section in page.sections for table in section.tables]
    for table in tables[:1]:
        create_table_artifact(
            list(table_rows(table)), key=f"numbers-{name}", description=table.caption
        )
    create_markdown_artifact(
        words(page, report=report), key=f"report-{name}", description=page.title
    )


def claim_rows(page: Page) -> Iterator[Row]:
    """One row for every number of every case that a claim of the page was put to."""
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
                    **_spread("untrained", one.untrained or Estimate(None)),
                    **_spread("learned", one.learned or Estimate(None)),
                    "claim": check.claim,
                }


def table_rows(table: Table) -> Iterator[Row]:
    """The rows of ``table``; an estimate takes three columns."""
    estimates = {
        title
        for row in table.rows
        for title, cell in zip(table.header, row, strict=True)
        if isinstance(cell, Estimate)
    }
    for row in table.rows:
        shown: Row = {}
        for title, cell in zip(table.header, row, strict=True):
            if title in estimates:
                number = cell if isinstance(cell, Estimate) else Estimate(None)
                shown |= _spread(title, number)
            else:
                shown[title] = cell if isinstance(cell, str) else _plain(cell)
        yield shown


def _spread(title: str, number: Estimate) -> Row:
    return {
        title: _plain(number.value),
        f"{title} low": _plain(number.low),
        f"{title} high": _plain(number.high),
    }


def _plain(number: Any) -> float | None:
    """What JSON has: no NumPy scalars, nothing infinite; four decimals are enough to read."""
    if number is None or not math.isfinite(number):
        return None
    return round(float(number), 4)


def words(page: Page, *, report: Path | str) -> str:
    """Markdown: what was found, the picture, and where the whole report is."""
    lines = [_escaped(line) for line in (*page.lead, *page.warnings)]
    lines += [_picture(figure) for figure in page.figures[:1]]
    return "\n\n".join([*lines, f"The whole report: {_place(str(report))}"])


def _escaped(text: str) -> str:
    """``text`` that Markdown shows as it is."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", text)


def _picture(figure: Figure) -> str:
    content = base64.b64encode(light(figure.png, at_most=PICTURE_BYTES)).decode()
    return f"![{_escaped(figure.alt)}](data:image/png;base64,{content})"


def _place(report: str) -> str:
    """A link where a browser follows it; Prefect's page opens no files, so their path."""
    if report.startswith(("http://", "https://")):
        return f"[{report}]({report})"
    return f"`{report if '://' in report else Path(report).absolute()}`"


def light(png: bytes, *, at_most: int) -> bytes:
    """``png`` in 256 colours, and as many pixels as go into ``at_most`` bytes."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    while True:
        content = io.BytesIO()
        picture.quantize(256, dither=Image.Dither.NONE).save(content, "png", optimize=True)
        if content.tell() <= at_most or min(picture.size) < 64:
            return content.getvalue()
        picture = picture.resize(
            (picture.width * 3 // 4, picture.height * 3 // 4), Image.Resampling.LANCZOS
        )
