"""Numbers of a report as CSV files and as cells of tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from seelike.analysis.similarity import Estimate
from seelike.analysis.similarity.intervals.proportions import share
from seelike.storage.reports.write import Csv, EstimateLike

# Suffixes of the columns of an estimate, in the order of ``ends``.
ENDS = ("", "_low", "_high")


def csv_file(name: str, about: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Csv:
    """Write rows as CSV; reading it back gives the same floats.

    Args:
        name: Stem of the file.
        about: What a line holds.
        header: Names of the columns.
        rows: Cells of every line; None becomes an empty cell, a float NaN ``nan``.
    """
    return Csv(name, csv_text(header, rows), about)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The text of such a file."""
    cells = [["" if cell is None else cell for cell in row] for row in rows]
    return _text(pd.DataFrame(cells, columns=list(header), dtype=object))


def csv_of_frame(name: str, about: str, frame: pd.DataFrame) -> Csv:
    """The same for a frame whose number columns are float64 or integers."""
    return Csv(name, _text(frame), about)


def _text(frame: pd.DataFrame) -> str:
    return str(frame.to_csv(index=False, lineterminator="\n", na_rep="nan"))


def columns_of(names: Iterable[str]) -> list[str]:
    """Three columns per estimate: its value, low and high."""
    return [f"{name}{end}" for name in names for end in ENDS]


def ends(estimate: EstimateLike | None) -> tuple[float | None, float | None, float | None]:
    """Value, low and high of an estimate as cells; all None for None."""
    if estimate is None:
        return None, None, None
    return estimate.value, estimate.low, estimate.high


def accuracy_of(card: Mapping[str, Any]) -> Estimate | None:
    """Share of test images that a network classifies correctly, with its 95 % interval.

    Args:
        card: A checkpoint's card, or the facts of a survey, which repeat it.

    Returns:
        The share (Wilson interval); None without test results.
    """
    test = card.get("test")
    return None if test is None else share(test["correct"], test["total"])
