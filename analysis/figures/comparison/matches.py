"""For each layer of a model, the most similar layer of another: its depth and similarity."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seelike.analysis.figures import reading
from seelike.analysis.figures.comparison.cells import Limits, scale
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import GREY, MANY, colours, folded, style
from seelike.analysis.figures.drawing.tap_axis import index_of_depth, name_taps, show_depth
from seelike.analysis.similarity.significance.permutation_tests import LEVEL

_BEST = "most similar layer"
_CHANCE = f"not above chance, q > {LEVEL:g}"
_OVERLAP = "its interval overlaps"
_EQUAL = "equal depth"


@dataclass(frozen=True)
class _Look:
    """Style of a match: shape, outline, also of its interval, and fill."""

    label: str
    shape: str
    edge: str
    face: str


def best_match(
    comparison: xr.Dataset,
    model_a: str,
    model_b: str,
    *,
    measure: str = "cka",
    limits: Limits | None = None,
) -> Figure:
    """Draw ``model_b``'s most similar tap to each tap of ``model_a`` (above), and their similarity.

    Small dots are taps of ``model_b`` that intervals cannot tell from the most similar one:
    their ``{measure}_high`` reaches its ``{measure}_low``. Hollow grey squares, where the
    comparison has ``{measure}_best_q``, are matches no better than the best of shuffled images
    (q above 0.05). Taps at which the measure is not defined are left out. Raises
    ``AnalysisError`` for a model or measure that is not there, and where a model has no other.
    """
    cells = reading.defined(reading.pair(comparison, model_a, model_b, measure=measure), measure)
    cells = cells.transpose(..., "tap_a", "tap_b")
    best = cells[measure].values.argmax(axis=1)
    chance = _by_chance(cells, measure)
    colour = colours(comparison)[model_a]
    face = colour if reading.trained(comparison, model_a) else "white"
    looks = {
        _Look(_BEST, "o", colour, face): ~chance,
        _Look(_CHANCE, "s", GREY, "white"): chance,
    }
    name_a, name_b = (reading.label(comparison, model) for model in (model_a, model_b))
    with style():
        figure = Figure(figsize=(6.2, 5.8), layout="constrained")
        where, how_much = figure.subplots(2, sharex=True, height_ratios=(3, 1.3))
        _draw_overlaps(where, cells, best, measure, colour)
        _draw_places(where, best, looks)
        name_taps(where.yaxis, cells["tap_b"])
        where.set_ylabel(folded(f"most similar layer of {name_b}", inches=3))
        show_depth(where, "right", cells["depth_b"], title=folded(f"depth in {name_b}", inches=3))
        show_depth(where, "top", cells["depth_a"], title=folded(f"depth in {name_a}", inches=4))
        _draw_values(how_much, cells, best, measure, looks)
        how_much.set_ylim(*(limits or scale(comparison, measure=measure)))
        way = "with" if reading.symmetric(comparison, measure) else "to"
        unit = f"{reading.title(comparison, measure)} {way} that layer"
        how_much.set_title(folded(unit, inches=4.5), loc="left")
        how_much.margins(x=0.02)
        name_taps(how_much.xaxis, cells["tap_a"])
        how_much.set_xlabel(folded(f"{name_a}: layers, input to output", inches=4))
        where.tick_params(labelbottom=False)
        lines = {str(line.get_label()): line for line in where.lines}
        key = [lines[label] for label in (_BEST, _CHANCE, _OVERLAP, _EQUAL) if label in lines]
        columns = len(key) if len(key) < 4 else 2
        figure.legend(handles=key, loc="outside lower center", ncols=columns)
        return settle(figure)


def _by_chance(cells: xr.Dataset, measure: str) -> np.ndarray:
    """Layers of a, (layers of a,) bool, whose best match is not significant."""
    q = reading.matches_q(cells, measure)
    return np.zeros(cells.sizes["tap_a"], bool) if q is None else q > LEVEL


def _draw_overlaps(
    axes: Axes, cells: xr.Dataset, best: np.ndarray, measure: str, colour: str
) -> None:
    """The line of equal depth, and all layers that may be the most similar one."""
    depth_a, depth_b = cells["depth_a"].values, cells["depth_b"].values
    equal = index_of_depth(depth_a, depth_b)
    axes.plot(equal, color=GREY, linewidth=0.8, linestyle="--", label=_EQUAL)
    if f"{measure}_low" in cells:
        floor = np.take_along_axis(cells[f"{measure}_low"].values, best[:, None], axis=1)
        a, b = np.nonzero(cells[f"{measure}_high"].values >= floor)
        (dots,) = axes.plot(a, b, ".", markersize=2.5, color=colour, alpha=0.4, label=_OVERLAP)
        dots.set_rasterized(len(a) > MANY)
    margin = max(0.5, 0.025 * len(depth_b))
    axes.set_ylim(-margin, len(depth_b) - 1 + margin)
    axes.grid(color="#e6e6e6", linewidth=0.5)


def _draw_places(axes: Axes, best: np.ndarray, looks: dict[_Look, np.ndarray]) -> None:
    """The matches as dots on tap indices."""
    for look, chosen in looks.items():
        if chosen.any():
            at = np.flatnonzero(chosen)
            (dots,) = axes.plot(at, best[at], look.shape, color=look.edge, mfc=look.face)
            dots.set(markersize=4.5, label=look.label)


def _draw_values(
    axes: Axes, cells: xr.Dataset, best: np.ndarray, measure: str, looks: dict[_Look, np.ndarray]
) -> None:
    """Similarity of the matches, with intervals where the comparison has them."""
    value = cells[measure].values
    for look, chosen in looks.items():
        if not chosen.any():
            continue
        at = np.flatnonzero(chosen)
        if f"{measure}_low" in cells:
            low, high = (cells[f"{measure}_{end}"].values[at, best[at]] for end in ("low", "high"))
            axes.vlines(at, low, high, color=look.edge, linewidth=1)
        (dots,) = axes.plot(at, value[at, best[at]], look.shape, color=look.edge, mfc=look.face)
        dots.set(markersize=3, clip_on=False, zorder=3)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.5)
