"""Two measures of the same pairs of layers against each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures import reading as pairs
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import MANY, OKABE_ITO, folded, style

Array = npt.NDArray[np.float64]
# Of every kind of pair an array (2 or 4, pairs): the measure, the reference, and the measure's
# low and high where the comparison has them.
Clouds = Mapping[str, Array]

WITHIN, ACROSS = "two layers of one model", "layers of two models"
_COLOURS = {WITHIN: OKABE_ITO[1], ACROSS: OKABE_ITO[0]}
# Of white in the colour of an interval: they never hide the dots, however many there are.
_PALE = 0.65


@dataclass(frozen=True)
class Differences:
    """Differences between two measures over ``pairs`` pairs of layers.

    ``mean`` and ``largest`` are of the absolute difference; ``correlation`` is Pearson's r, None
    where one of the two is the same for all pairs.
    """

    mean: float
    largest: float
    correlation: float | None
    pairs: int


def differences(
    comparison: xr.Dataset, measure: str, reference: str, *, models: Sequence[str]
) -> Differences:
    """Draw differences of ``measure`` from ``reference`` over all distinct pairs of layers.

    Two taps count once, or both ways where one of the measures is not the same both ways; taps
    at which one is not defined do not count. Raises ``AnalysisError`` for a model or measure
    that is not there, and for a single tap.
    """
    return _differences(_clouds(comparison, measure, reference, models))


def agreement(
    comparison: xr.Dataset, measure: str, reference: str, *, models: Sequence[str]
) -> Figure:
    """Draw ``measure`` (upward) against ``reference`` (rightward), a dot per pair of layers.

    Both say the same of pairs on the diagonal; thin lines are ``measure``'s intervals, where the
    comparison has them. The pairs, the numbers written beside them and the errors are those of
    ``differences``.
    """
    clouds = _clouds(comparison, measure, reference, models)
    found = _differences(clouds)
    with style():
        figure = Figure(figsize=(5.4, 5.8), layout="constrained")
        axes = figure.subplots()
        _draw_clouds(axes, clouds)
        _draw_diagonal(axes, clouds)
        _write(axes, _words(found), below=_mostly_below(clouds))
        axes.set_xlabel(folded(pairs.title(comparison, reference), inches=4))
        axes.set_ylabel(folded(pairs.title(comparison, measure), inches=4))
        handles = [
            Line2D([], [], marker="o", linestyle="", markersize=5, color=_COLOURS[kind], label=kind)
            for kind in clouds
        ]
        equal = Line2D([], [], color="black", linewidth=0.8, linestyle="--", label="equal")
        figure.legend(handles=[*handles, equal], loc="outside lower center", ncols=3)
        return settle(figure)


def _clouds(comparison: xr.Dataset, measure: str, reference: str, models: Sequence[str]) -> Clouds:
    """All distinct pairs of layers of ``models``, within one model and across two."""
    pairs.require(comparison, *models)
    for name in (measure, reference):
        pairs.require_measure(comparison, name)
    ends = [f"{measure}_{end}" for end in ("low", "high")]
    names = [measure, reference, *(end for end in ends if end in comparison)]
    both_ways = not all(pairs.symmetric(comparison, name) for name in (measure, reference))
    found: dict[str, list[Array]] = {WITHIN: [], ACROSS: []}
    chosen = list(dict.fromkeys(models))
    for i, model_a in enumerate(chosen):
        for model_b in chosen if both_ways else chosen[i:]:
            cells = pairs.block(comparison, model_a, model_b).transpose(..., "tap_a", "tap_b")
            for name in (measure, reference):
                pairs.check_finite(cells, name)
            values = np.stack([cells[name].values for name in names]).astype(np.float64)
            distinct = np.ones(values.shape[1:], bool)
            if model_a == model_b:
                distinct &= ~np.eye(len(distinct), dtype=bool)
                distinct = distinct if both_ways else np.triu(distinct)
            distinct &= np.isfinite(values[:2]).all(axis=0)
            found[WITHIN if model_a == model_b else ACROSS].append(values[:, distinct])
    clouds = {kind: np.concatenate(parts, axis=1) for kind, parts in found.items() if parts}
    clouds = {kind: cloud for kind, cloud in clouds.items() if cloud.size}
    if not clouds:
        raise AnalysisError(
            f"{', '.join(models)} has a single layer at which {measure} and {reference} are "
            "defined, "
            "expected two or more to pair"
        )
    return clouds


def _differences(clouds: Clouds) -> Differences:
    y, x = np.concatenate([cloud[:2] for cloud in clouds.values()], axis=1)
    apart = np.abs(y - x)
    varies = np.ptp(x) > 0 and np.ptp(y) > 0
    correlation = float(np.corrcoef(x, y)[0, 1]) if varies else None
    return Differences(float(apart.mean()), float(apart.max()), correlation, len(apart))


def _draw_clouds(axes: Axes, clouds: Clouds) -> None:
    """Dots on intervals, mixed, so that neither kind of pair hides the other."""
    every = np.concatenate(list(clouds.values()), axis=1)
    colour = np.concatenate(
        [np.tile(to_rgb(_COLOURS[kind]), (cloud.shape[1], 1)) for kind, cloud in clouds.items()]
    )
    mixed = np.random.default_rng(0).permutation(len(colour))
    (y, x, *interval), colour = every[:, mixed], colour[mixed]
    many = len(x) > MANY
    if interval:
        segments = np.stack([np.stack([x, end], axis=1) for end in interval], axis=1)
        lines = LineCollection(list(segments), linewidths=0.3 if many else 0.7, zorder=1)
        lines.set(color=colour + _PALE * (1 - colour), rasterized=many)
        axes.add_collection(lines, autolim=False)
    size, alpha = (1.5, 0.5) if many else (14, 0.8)
    axes.scatter(x, y, s=size, c=colour, alpha=alpha, linewidths=0, zorder=2, rasterized=many)


def _draw_diagonal(axes: Axes, clouds: Clouds) -> None:
    """The line of equal values, on two axes with the same ends: 0 to 1 or as far as values go."""
    ends = (0.0, 1.0, *(f(cloud) for cloud in clouds.values() for f in (np.min, np.max)))
    low, high = float(min(ends)), float(max(ends))
    margin = 0.02 * (high - low)
    axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
    axes.set_box_aspect(1)
    axes.plot([low, high], [low, high], color="black", linewidth=0.8, linestyle="--", zorder=3)
    axes.grid(color="#e6e6e6", linewidth=0.5)


def _words(found: Differences) -> str:
    r = "undefined" if found.correlation is None else f"{found.correlation:.4f}"
    return (
        f"{found.pairs} pairs of layers\nmean absolute difference {found.mean:.2g}\n"
        f"largest {found.largest:.2g}\nPearson r {r}"
    )


def _mostly_below(clouds: Clouds) -> bool:
    y, x = np.concatenate([cloud[:2] for cloud in clouds.values()], axis=1)
    return bool((y < x).mean() > 0.5)


def _write(axes: Axes, words: str, *, below: bool) -> None:
    """``words`` in the corner that dots, most of them ``below`` the diagonal or not, leave free."""
    x, y, across, up = (0.03, 0.97, "left", "top") if below else (0.97, 0.03, "right", "bottom")
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2}
    text = axes.text(x, y, words, transform=axes.transAxes, ha=across, va=up, size=8)
    text.set_bbox(box)
