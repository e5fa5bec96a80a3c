"""Benchmark items: they measure, judge their goals, and report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

# Stored as JSON by a run; everything else is made from it.
Result = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """One promise beside what was measured; ``met`` is None where it was not measured."""

    what: str
    goal: str
    measured: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """The last column of the table of goals."""
        return {True: "met", False: "**missed**", None: "not measured"}[self.met]


class Measure(Protocol):
    """Measures an item; ``quick`` takes toy sizes, ``device`` is 'cpu' or 'cuda'."""

    def __call__(self, *, quick: bool, device: str) -> Result: ...


@dataclass(frozen=True)
class Line:
    """One line of a plot: points (x, y), their label, and the slope of a fit, if there is one."""

    label: str
    points: tuple[tuple[float, float], ...]
    slope: float | None = None


@dataclass(frozen=True)
class Plot:
    """A plot with logarithmic axes; ``x`` and ``y`` are the axes' labels with their units."""

    title: str
    x: str
    y: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Item:
    """One item: ``measure`` makes a result, the others read nothing else than that result.

    ``section`` is Markdown below a heading that the report writes; ``plots`` are by file name;
    ``enter`` puts what was measured into another page, where there is one.
    """

    name: str
    title: str
    measure: Measure
    goals: Callable[[Result], list[Goal]]
    section: Callable[[Result], str]
    plots: Callable[[Result], Mapping[str, tuple[Plot, ...]]] = lambda _: {}
    enter: Callable[[Result], None] = lambda _: None
