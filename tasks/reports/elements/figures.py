"""A drawing as a report takes it: its bytes, and what is said of it."""

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
    """``drawing`` rendered; ``alt`` states the finding, ``data`` names the numbers behind it.

    ``explorer`` is the same for the pointer, as ``draw.explorer`` gives it; ``models`` are those
    whose numbers are drawn, none named for all.
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
