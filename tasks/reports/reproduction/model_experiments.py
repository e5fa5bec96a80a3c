"""The sections of a reproduction on what was looked into and probed, cast by cast."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType

from seelike.analysis.claims.requirements import AvailableModels
from seelike.analysis.claims.roles import fractions, pooling
from seelike.storage.reports.write import Csv, Figure, Section
from seelike.tasks.reports.anatomy import (
    attention,
    heads,
    localization,
    receptive_fields,
    residuals,
)
from seelike.tasks.reports.elements.claims import with_lacking
from seelike.tasks.reports.elements.lineage import from_anatomy, with_lineage
from seelike.tasks.reports.elements.model_results import load_results
from seelike.tasks.reports.elements.selection import of_some
from seelike.tasks.reports.probing import by_depth, single_tokens
from seelike.tasks.results import AnatomyResult, ProbesResult, ReproductionResult

TRANSFER = "transfer"


def on_fractions(available: AvailableModels) -> list[str]:
    """What stands beside the networks where less data is the question."""
    return fractions(available, "vit")


def on_itself(available: AvailableModels) -> list[str]:  # noqa: ARG001
    """Nothing stands beside them."""
    return []


@dataclass(frozen=True)
class Inner:
    """An experiment whose section ``module`` makes of an anatomy, or of probes."""

    experiment: str
    title: str
    module: ModuleType
    beside: Callable[[AvailableModels], list[str]] = on_itself

    def reference(self, found: ReproductionResult) -> AnatomyResult | None:
        """Where its numbers are."""
        probed = self.module in (single_tokens, by_depth)
        return found.probes if probed else found.anatomy

    def section(self, found: ReproductionResult) -> Section | None:
        """What was found of the networks of all seeds, with the checks of the experiment."""
        reference = self.reference(found)
        if reference is None:
            return None
        models = [model for cast in found.roles for model in cast]
        own = of_some(reference, dict.fromkeys([*models, *self.beside(found.available)]))
        if not load_results(own, self.module.ANALYSIS):
            return None
        section: Section = with_lineage(
            self.module.section(own), from_anatomy(own, self.module.ANALYSIS)
        )
        if self.module is by_depth and found.transfer is not None:
            section = transferred(section, found, found.transfer)
        return replace(
            section,
            title=f"{self.experiment}: {self.title}",
            checks=with_lacking(section.checks, self.experiment, found.available),
        )


def transferred(section: Section, found: ReproductionResult, transfer: ProbesResult) -> Section:
    """``section`` with what the second image set says, and the checks on it."""
    own = of_some(transfer, dict.fromkeys(model for cast in found.roles for model in cast))
    second = with_lineage(by_depth.section(own), from_anatomy(own, by_depth.ANALYSIS))
    one = transfer.open(transfer.found[0].plan.name)
    where = f"On the second image set, {one.attrs['images']['source']}."
    figures = tuple(
        replace(
            figure,
            name=f"{TRANSFER}-{figure.name}",
            caption=f"{figure.caption} {where}",
            data=TRANSFER,
        )
        for figure in second.figures
    )
    tables = tuple(replace(each, caption=f"{each.caption} {where}") for each in second.tables)
    return replace(
        section,
        checks=(*section.checks, *second.checks),
        figures=(*section.figures, *figures),
        tables=(*section.tables, *tables),
    )


INNER = (
    Inner("E3", "attention distance", attention, on_fractions),
    Inner("E4", "heads against a ResNet", heads),
    Inner("E5", "effective receptive fields", receptive_fields),
    Inner("E6", "skip connections", residuals),
    Inner("E8", "localization", localization),
    Inner("E9", "localization under average pooling", localization, pooling),
    Inner("E10", "probes on single tokens", single_tokens, pooling),
    Inner("E12", "probes by depth, and transfer", by_depth, on_fractions),
)


def inner_sections(found: ReproductionResult) -> Iterator[tuple[str, Section]]:
    """The section of every experiment that has numbers, by its id."""
    for one in INNER:
        section = one.section(found)
        if section is not None:
            yield one.experiment, section


def inner_data(found: ReproductionResult) -> Iterator[Csv]:
    """The numbers behind their figures."""
    made: set[str] = set()
    for one in INNER:
        reference = one.reference(found)
        # Both sections on probes draw from one table.
        module = single_tokens if one.module is by_depth else one.module
        if reference is not None and module.ANALYSIS not in made:
            made.add(module.ANALYSIS)
            yield from module.data(reference)
    if found.transfer is not None:
        for csv in single_tokens.data(found.transfer):
            yield replace(csv, name=TRANSFER)


def once(made: Iterable[Section]) -> Iterator[Section]:
    """The sections, each figure in the first that has it."""
    seen: set[str] = set()
    for section in made:
        figures: list[Figure] = [one for one in section.figures if one.name not in seen]
        seen.update(figure.name for figure in figures)
        yield replace(section, figures=tuple(figures))
