"""Render matplotlib figures for a report."""

from collections.abc import Sequence

from matplotlib.figure import Figure as Drawing

from seelike.analysis import figures as draw
from seelike.storage.reports.write import Figure


def render_figure(
    name: str,
    drawing: Drawing,
    *,
    alt: str,
    caption: str,
    data: str = "",
    explorer: str = "",
    models: Sequence[str] = (),
) -> Figure:
    """Render ``drawing`` as PNG and SVG.

    Args:
        name: Stem of its files, unique in the report.
        drawing: The matplotlib figure.
        alt: The finding in words.
        caption: The text below it.
        data: Name of the CSV file with its numbers.
        explorer: The interactive version, as ``draw.explorer`` returns it.
        models: Models whose numbers it shows; none for all.
    """
    return Figure(
        name,
        draw.png(drawing),
        draw.svg(drawing),
        alt=alt,
        caption=caption,
        data=data,
        explorer=explorer,
        models=tuple(models),
    )
