"""The frame of every report: the first screen's figure, and what each figure was drawn from."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from seelike.storage.arrays import tap_pairs
from seelike.storage.reports.origins import Lineage, of_anatomy, of_comparison, of_map
from seelike.storage.reports.write import Figure, Section
from seelike.storage.store import open_store
from seelike.tasks.results import AnatomyResult, ComparisonResult, MapResult

Origins = Callable[[Figure], Iterable[Lineage]]


def with_lineage(section: Section, origins: Origins) -> Section:
    """``section`` with what ``origins`` says of those of its figures that say nothing yet."""
    return replace(section, figures=tuple(traced_figure(f, origins) for f in section.figures))


def traced_figure(figure: Figure, origins: Origins) -> Figure:
    """``figure`` with what it was drawn from, unless it says so already."""
    return figure if figure.origins else replace(figure, origins=tuple(origins(figure)))


def from_comparison(comparison: ComparisonResult) -> Origins:
    """Of figures of ``comparison``: it, and the signatures of the models that they show."""
    store = open_store(comparison.store)
    signed: dict[str, str] = comparison.open().attrs["signatures"]

    def origins(figure: Figure) -> Iterator[Lineage]:
        shown = {model: signed[model] for model in figure.models or signed}
        yield of_comparison(store, comparison.name, shown)

    return origins


def from_map(reference: MapResult) -> Origins:
    """Of figures of a map: it, all pairs, and the signatures of the models that they show."""
    store = open_store(reference.store)
    signed: dict[str, str] = reference.open().attrs["signatures"]

    def origins(figure: Figure) -> Iterator[Lineage]:
        shown = {model: signed[model] for model in figure.models or signed}
        behind = of_comparison(store, reference.pairs.name, shown, kind=tap_pairs.KIND)
        yield of_map(store, reference.name, behind)

    return origins


def from_anatomy(reference: AnatomyResult, analysis: str) -> Origins:
    """Of figures of ``analysis``: what it found of the models shown, and of their twins."""
    store = open_store(reference.store)

    def origins(figure: Figure) -> Iterator[Lineage]:
        for one in reference.found:
            whose = one.plan.subject.baseline_of or one.plan.name
            if one.analysis == analysis and one.name and whose in (figure.models or (whose,)):
                yield of_anatomy(store, one.name, kind=reference.kind)

    return origins


def pick_first_figure(
    sections: Iterable[Section], names: Sequence[str]
) -> tuple[Figure | None, tuple[Section, ...]]:
    """The first of ``names`` that is a figure of ``sections``, and the sections without it.

    It stands on the first screen; without any of ``names`` there is none.
    """
    each = tuple(sections)
    figures = {figure.name: figure for section in each for figure in section.figures}
    name = next((name for name in names if name in figures), None)
    if name is None:
        return None, each
    without = (
        replace(section, figures=tuple(f for f in section.figures if f.name != name))
        for section in each
    )
    return figures[name], tuple(without)
