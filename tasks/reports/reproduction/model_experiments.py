"""Sections of a reproduction on what happens inside networks and on probes (E3 to E12)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from seelike.analysis.claims.requirements import AvailableModels
from seelike.analysis.claims.roles import fractions, pooling
from seelike.storage.reports.write import Figure, Section
from seelike.tasks.reports.anatomy import (
    attention,
    heads,
    localization,
    receptive_fields,
    residuals,
)
from seelike.tasks.reports.anatomy.section import SectionBuilder
from seelike.tasks.reports.elements.claims import with_undecided
from seelike.tasks.reports.elements.lineage import from_analysis, with_lineage
from seelike.tasks.reports.elements.model_results import AnalysisResults, load_results
from seelike.tasks.reports.probing import by_depth, single_tokens
from seelike.tasks.results import AnatomyResult, ReproductionResult

TRANSFER = "transfer"


def fractions_of_vit(available: AvailableModels) -> list[str]:
    """ViTs trained on part of the data."""
    return fractions(available, "vit")


def no_others(available: AvailableModels) -> list[str]:  # noqa: ARG001
    """No further models."""
    return []


@dataclass(frozen=True)
class ModelExperiment:
    """An experiment of the paper with one analysis of single models.

    Attributes:
        experiment: Its number, such as 'E3'.
        title: Title of its section.
        analysis: The analysis that has its numbers.
        build: Builds its section from them.
        beside: Models of the study that it needs besides those of the claims on families.
    """

    experiment: str
    title: str
    analysis: str
    build: SectionBuilder
    beside: Callable[[AvailableModels], list[str]] = no_others

    def section(self, found: ReproductionResult, results: AnalysisResults) -> Section | None:
        """The section for the networks of all seeds; None without numbers."""
        models = [model for cast in found.roles for model in cast]
        own = results.of_models([*models, *self.beside(found.available)])
        if not own.each:
            return None
        section = with_lineage(self.build(own), from_analysis(own))
        return replace(section, title=f"{self.experiment}: {self.title}")


EXPERIMENTS = (
    ModelExperiment(
        "E3", "attention distance", attention.ANALYSIS, attention.section, fractions_of_vit
    ),
    ModelExperiment("E4", "heads against a ResNet", heads.ANALYSIS, heads.section),
    ModelExperiment(
        "E5", "effective receptive fields", receptive_fields.ANALYSIS, receptive_fields.section
    ),
    ModelExperiment("E6", "skip connections", residuals.ANALYSIS, residuals.section),
    ModelExperiment("E8", "localization", localization.ANALYSIS, localization.section),
    ModelExperiment(
        "E9",
        "localization under average pooling",
        localization.ANALYSIS,
        localization.section,
        pooling,
    ),
    ModelExperiment(
        "E10", "probes on single tokens", single_tokens.ANALYSIS, single_tokens.section, pooling
    ),
)
TRANSFERRED = ModelExperiment(
    "E12", "probes by depth, and transfer", by_depth.ANALYSIS, by_depth.section, fractions_of_vit
)


def model_sections(found: ReproductionResult) -> Iterator[tuple[str, Section]]:
    """The section of every experiment that has numbers, by its number."""
    results: dict[str, AnalysisResults] = {}
    for one in (*EXPERIMENTS, TRANSFERRED):
        source: AnatomyResult | None = found.anatomy
        if one.analysis == by_depth.ANALYSIS:
            source = found.probes
        if source is None:
            continue
        if one.analysis not in results:
            results[one.analysis] = load_results(source, one.analysis)
        section = one.section(found, results[one.analysis])
        if section is not None and one is TRANSFERRED and found.transfer is not None:
            second = load_results(found.transfer, one.analysis)
            section = with_transfer(section, found, second)
        if section is not None:
            checks = with_undecided(section.checks, one.experiment, found.available)
            yield one.experiment, replace(section, checks=checks)


def with_transfer(section: Section, found: ReproductionResult, results: AnalysisResults) -> Section:
    """``section`` with the probes on a second image set, and the claims about it."""
    own = results.of_models(model for cast in found.roles for model in cast)
    second = with_lineage(by_depth.section(own), from_analysis(own))
    attributes = next(iter(results.datasets.values())).attrs
    where = f"On the second image set, {attributes['images']['source']}."
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
        data=(*section.data, *(replace(csv, name=TRANSFER) for csv in second.data)),
    )


def without_repeats(made: Iterable[Section]) -> Iterator[Section]:
    """The sections, each figure in the first one that has it."""
    names: set[str] = set()
    for section in made:
        figures: list[Figure] = [one for one in section.figures if one.name not in names]
        names.update(figure.name for figure in figures)
        yield replace(section, figures=tuple(figures))
