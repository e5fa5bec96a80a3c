"""Tables and durations as the command line prints them."""

from collections.abc import Sequence
from datetime import timedelta

import humanize
from rich.console import Console
from rich.table import Table
from rich.text import Text

# No line of a table is ever wrapped or cut: pipes and grep read whole lines.
WIDTH = 1_000_000


def format_table(rows: Sequence[Sequence[str]], *, left: Sequence[int] = (0,)) -> str:
    """Lay out rows of text in columns.

    Args:
        rows: The header, then the rows below it, all of one length.
        left: Columns aligned to the left; the others are aligned to the right.

    Returns:
        A line per row; the header is bold where the standard output is a terminal.
    """
    header, *below = rows
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for i, name in enumerate(header):
        # As Text, so that no bracket or colon in a name is taken for markup.
        table.add_column(Text(name), justify="left" if i in left else "right", no_wrap=True)
    for row in below:
        table.add_row(*map(Text, row))
    console = Console(width=WIDTH)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def format_duration(seconds: float) -> str:
    """A duration in its two largest units, such as ``1 hour and 54 minutes``."""
    unit = "seconds" if seconds < 60 else "minutes"
    return humanize.precisedelta(timedelta(seconds=seconds), minimum_unit=unit, format="%0.0f")
