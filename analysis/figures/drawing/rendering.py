"""A figure's bytes: the same figure gives the same bytes on every run."""

import io

from matplotlib.figure import Figure

from seelike.analysis.figures.drawing.style import style

# A PNG is shown at half its size in pixels, so that it is sharp on every screen.
PNG_DPI = 192
# Heatmaps lie in the SVG as pictures; this fine, no cell is visibly wider than the next.
_SVG_IMAGE_DPI = 192


def settle(figure: Figure) -> Figure:
    """Lay ``figure`` out once and keep that layout, so that its PNG and its SVG agree."""
    figure.draw_without_rendering()
    # Without an engine at all: with a placeholder, savefig draws everything twice.
    figure.set_layout_engine(None)
    return figure


def png(figure: Figure) -> bytes:
    """Render ``figure`` as PNG, 192 pixels per inch."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """Render ``figure`` as SVG, letters as outlines, without a date."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="svg", dpi=_SVG_IMAGE_DPI, metadata={"Date": None})
    return buffer.getvalue()
