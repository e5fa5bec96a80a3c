"""An axis along a model's layers: one step per layer, names that never overlap, depth opposite."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.ticker import FuncFormatter, Locator

from seelike.analysis.figures.drawing.style import plain

# Baseline to baseline, in type sizes.
_LINE = 1.25
# So few names leave an axis bare: the two ends, or these and one more.
_BARE = 3


def name_taps(axis: Axis, taps: xr.DataArray) -> None:
    """Label ``axis``, whose positions are tap indices, with as many names of ``taps`` as fit."""
    names = [str(name) for name in taps.values]
    shown = [plain(name) for name in names]
    axis.set_major_locator(TapLocator(names))
    axis.set_major_formatter(
        FuncFormatter(lambda at, _: shown[round(at)] if 0 <= round(at) < len(shown) else "")
    )
    if isinstance(axis, XAxis):
        axis.set_tick_params(rotation=90)


def show_depth(
    axes: Axes,
    side: Literal["top", "right"],
    depth: xr.DataArray,
    *,
    ticks: Sequence[float] = (0, 0.25, 0.5, 0.75, 1),
    title: str = "",
) -> None:
    """Add an axis on ``side`` that reads the tap index as depth (0 input, 1 output)."""
    inside = [tick for tick in ticks if depth.values[0] <= tick <= depth.values[-1]]
    places = index_of_depth(np.array(inside), depth.values)
    opposite = axes.secondary_xaxis("top") if side == "top" else axes.secondary_yaxis("right")
    opposite.set_ticks(places, labels=[f"{tick:g}" for tick in inside])
    if side == "top":
        opposite.set_xlabel(title)
    else:
        opposite.set_ylabel(title)


def index_of_depth(wanted: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Positions of depths on an axis of layer indices, by interpolation; ``depth`` ascends."""
    places: np.ndarray = np.interp(wanted, depth, np.arange(len(depth)))
    return places


class TapLocator(Locator):
    """Chooses which taps are named, so that names never overlap.

    The first and the last tap come first, then names of few parts before names of many:
    ``blocks.3`` before ``blocks.3.mlp.act``. A kind of which a quarter does not fit is left
    out, unless the axis would stay bare.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._count = len(names)
        self._kinds: dict[int, list[int]] = {}
        for index in range(1, len(names) - 1):
            self._kinds.setdefault(names[index].count("."), []).append(index)

    def __call__(self) -> list[int]:
        """Indices of the named layers for the size that the axis has now."""
        return self.tick_values(0, self._count - 1)

    def tick_values(self, vmin: float, vmax: float) -> list[int]:
        """Indices of the named layers between ``vmin`` and ``vmax``."""
        gap = self._line_height() / self._step()
        chosen = _apart([0, self._count - 1], [], gap)
        for _, kind in sorted(self._kinds.items()):
            fitting = _apart(kind, chosen, gap)
            if 4 * len(fitting) >= 3 * len(kind) or len(chosen) <= _BARE:
                chosen += fitting
        return sorted(index for index in chosen if vmin <= index <= vmax)

    def _step(self) -> float:
        """Points from one layer to the next."""
        axis = self._axis()
        box = axis.axes.bbox
        pixels = box.width if isinstance(axis, XAxis) else box.height
        low, high = axis.get_view_interval()
        return float(pixels * 72 / axis.axes.figure.dpi / abs(high - low))

    def _line_height(self) -> float:
        return float(self._axis().get_major_ticks(1)[0].label1.get_fontsize()) * _LINE

    def _axis(self) -> Axis:
        assert isinstance(self.axis, Axis)
        return self.axis


def _apart(wanted: Sequence[int], taken: Sequence[int], gap: float) -> list[int]:
    """Choose from ``wanted``, in turn, what is at least ``gap`` away from all chosen before."""
    found: list[int] = []
    for index in wanted:
        if all(abs(index - other) >= gap for other in (*taken, *found)):
            found.append(index)
    return found
