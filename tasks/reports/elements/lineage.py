"""Lineage of a report's figures: the entries of the store that each was drawn from."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from seelike.storage.arrays import tap_pairs
from seelike.storage.reports.origins import Lineage, of_anatomy, of_comparison, of_map
from seelike.storage.reports.write import Figure, Section
from seelike.tasks.reports.elements.model_results import AnalysisResults
from seelike.tasks.results import ComparisonResult, MapResult

Origins = Callable[[Figure], Iterable[Lineage]]


def with_lineage(section: Section, origins: Origins) -> Section:
    """``section`` with the lineage of those of its figures that have none yet."""
    figures = (
        figure if figure.origins else replace(figure, origins=tuple(origins(figure)))
        for figure in section.figures
    )
    return replace(section, figures=tuple(figures))


def from_comparison(comparison: ComparisonResult) -> Origins:
    """Lineage of a comparison's figures: comparison, and signatures of the models shown."""
    store = comparison.opened
    signatures: dict[str, str] = comparison.open().attrs["signatures"]

    def origins(figure: Figure) -> Iterator[Lineage]:
        shown = {model: signatures[model] for model in figure.models or signatures}
        yield of_comparison(store, comparison.name, shown)

    return origins


def from_map(result: MapResult) -> Origins:
    """Lineage of a map's figures: map, pairwise CKA, signatures of the models shown."""
    store = result.opened
    signatures: dict[str, str] = result.open().attrs["signatures"]

    def origins(figure: Figure) -> Iterator[Lineage]:
        shown = {model: signatures[model] for model in figure.models or signatures}
        pairs = of_comparison(store, result.pairs.name, shown, kind=tap_pairs.KIND)
        yield of_map(store, result.name, pairs)

    return origins


def from_analysis(results: AnalysisResults) -> Origins:
    """Lineage of an analysis' figures: results of the models shown and their baselines."""
    store = results.store

    def origins(figure: Figure) -> Iterator[Lineage]:
        for one in results.shown:
            owner = one.plan.subject.baseline_of or one.plan.name
            if one.name and owner in (figure.models or (owner,)):
                yield of_anatomy(store, one.name, kind=results.kind)

    return origins
