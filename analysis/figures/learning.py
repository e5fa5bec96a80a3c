"""Learning curves of networks, and accuracy against data."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from seelike.analysis.errors import AnalysisError
from seelike.analysis.figures.comparison.curves import Curve, check
from seelike.analysis.figures.drawing.rendering import settle
from seelike.analysis.figures.drawing.style import OKABE_ITO, plain, style

_MARKERS = ("o", "s", "^", "D")


def accuracy_by_data(curves: Sequence[Curve]) -> Figure:
    """Test accuracy against the share of the training images, a line per architecture.

    A curve's ``depth`` is that share, above 0 and at most 1, on an axis of ratios; its band is an
    interval. Raises ``AnalysisError`` without curves and for one that can't be drawn.
    """
    if not curves:
        raise AnalysisError("no curves to draw; give at least one Curve")
    for curve in curves:
        check(curve)
    with style():
        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        for i, curve in enumerate(curves):
            colour = OKABE_ITO[i % len(OKABE_ITO)]
            percent = 100 * curve.depth
            if curve.low is not None and curve.high is not None:
                ends = (100 * (curve.value - curve.low), 100 * (curve.high - curve.value))
                axes.errorbar(percent, 100 * curve.value, ends, color=colour, capsize=2, fmt="none")
            marker = _MARKERS[i % len(_MARKERS)]
            axes.plot(
                percent, 100 * curve.value, color=colour, marker=marker, label=plain(curve.label)
            )
        shares = sorted({100 * float(x) for curve in curves for x in curve.depth})
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(shares))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("share of the training images, %")
        axes.set_ylabel("test accuracy, %")
        axes.grid(color="#e6e6e6", linewidth=0.5)
        axes.legend(loc="lower right")
        return settle(figure)


def along_steps(networks: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """Loss and test accuracy of every network along its steps, two panels with one key.

    ``networks`` gives each network's curves ``loss`` and ``accuracy``, whose ``depth`` is the
    step. Raises ``AnalysisError`` without networks and for a curve that can't be drawn.
    """
    if not networks:
        raise AnalysisError("no networks to draw; give at least one")
    for curve in (curve for each in networks.values() for curve in each.values()):
        check(curve)
    with style():
        rows = -(-len(networks) // 3)
        figure = Figure(figsize=(7.2, 3 + 0.2 * rows), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, kind, unit in zip(
            panels, ("loss", "accuracy"), ("training loss", "test accuracy, %"), strict=True
        ):
            scale = 100 if kind == "accuracy" else 1
            for i, (name, curves) in enumerate(networks.items()):
                axes.plot(
                    curves[kind].depth,
                    scale * curves[kind].value,
                    color=OKABE_ITO[i % len(OKABE_ITO)],
                    marker=_MARKERS[i // len(OKABE_ITO) % len(_MARKERS)],
                    markersize=2.5,
                    label=plain(name),
                )
            axes.set_xlabel("steps")
            axes.set_ylabel(unit)
            axes.grid(color="#e6e6e6", linewidth=0.5)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(networks)))
        return settle(figure)
