"""Style of all figures: one type size, one colour map, one colour per model."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib.style
import xarray as xr

from seelike.analysis.figures import reading

# Perceptually uniform, readable with any colour vision and in grey; the paper's own.
COLOUR_MAP = "magma"
# Okabe and Ito 2008, without black and without the yellow that white paper swallows.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "#767676"
# More dots or lines than these lie in an SVG as a picture: as outlines they would be megabytes.
MANY = 2000
# Of bold type at 9 points.
_LETTERS_PER_INCH = 11.5

_STYLE: dict[Any, Any] = {
    "text.usetex": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "axes.linewidth": 0.6,
    "axes.facecolor": "white",
    "axes.edgecolor": "#333333",
    "axes.axisbelow": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "seelike",
}
# Matplotlib's settings belong to the process: two threads that draw would mix them up.
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def style() -> Iterator[None]:
    """Apply seelike's matplotlib settings in a block and restore the caller's afterwards."""
    with _ONE_AT_A_TIME, matplotlib.style.context(["default", _STYLE]):
        yield


def colours(comparison: xr.Dataset) -> dict[str, str]:
    """Assign a colour per model, by the study's order; an untrained baseline has its model's.

    Six colours, then they repeat: figures also name the models.
    """
    found: dict[str, str] = {}
    twins = {m: reading.baseline_of(comparison, m) for m in reading.models(comparison)}
    firsts = [m for m, trained in twins.items() if trained not in twins]
    for index, model in enumerate(firsts):
        found[model] = OKABE_ITO[index % len(OKABE_ITO)]
    return {model: found[model if model in found else trained] for model, trained in twins.items()}


def plain(text: str) -> str:
    """Escape dollar signs in ``text``, which would start a formula in a model's name."""
    return text.replace("$", r"\$")


def folded(text: str, *, inches: float) -> str:
    """Break ``text``, escaped by ``plain``, into lines of ``inches`` after . _ - / and space."""
    lines = [""]
    for part in re.findall(r"[^._\-/ ]*[._\-/ ]|[^._\-/ ]+", text):
        if lines[-1] and len(lines[-1] + part) > inches * _LETTERS_PER_INCH:
            lines.append("")
        lines[-1] += part
    return plain("\n".join(line.strip() for line in lines))
