"""A drawing as a report takes it: its bytes, and what is said of it."""

from matplotlib.figure import Figure as Drawing

from analysis import figures as draw
from storage.reports import Figure


def drawn(name: str, drawing: Drawing, *, alt: str, caption: str, data: str = "") -> Figure:
    """``drawing`` rendered; ``alt`` states the finding, ``data`` names the numbers behind it."""
    return Figure(name, draw.png(drawing), draw.svg(drawing), alt=alt, caption=caption, data=data)
