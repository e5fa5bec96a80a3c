"""The sections of a reproduction on what was looked into and probed, cast by cast."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType

from analysis.claims.cast import fractions, pooling
from analysis.claims.needs import Asked
from storage.reports import Check, Csv, Figure, Section
from tasks import (
    attention_section,
    depth_probe_section,
    field_section,
    heads_section,
    localization_section,
    skip_section,
    token_probe_section,
)
from tasks.frame import from_anatomy, traced
from tasks.looked import looked
from tasks.references import AnatomyReference, ProbesReference
from tasks.reproduced import ReproductionReference, of_some
from tasks.told import OfCast, told

TRANSFER = "transfer"


def on_fractions(asked: Asked, cast: int) -> list[str]:  # noqa: ARG001
    """What stands beside a cast where less data is the question."""
    return fractions(asked, "vit")


def on_pooling(asked: Asked, cast: int) -> list[str]:
    """What stands beside a cast where pooling is the question: one ViT that averages, if any."""
    return pooling(asked)[cast : cast + 1] or pooling(asked)[-1:]


def on_itself(asked: Asked, cast: int) -> list[str]:  # noqa: ARG001
    """Nothing stands beside the cast."""
    return []


@dataclass(frozen=True)
class Inner:
    """An experiment whose section ``module`` makes of an anatomy, or of probes."""

    experiment: str
    title: str
    module: ModuleType
    beside: Callable[[Asked, int], list[str]] = on_itself

    def reference(self, found: ReproductionReference) -> AnatomyReference | None:
        """Where its numbers are."""
        probed = self.module in (token_probe_section, depth_probe_section)
        return found.probes if probed else found.anatomy

    def section(self, found: ReproductionReference) -> Section | None:
        """What was found, of the first cast; the checks of the others as remarks."""
        reference = self.reference(found)
        if reference is None:
            return None
        own = [
            of_some(reference, [*cast, *self.beside(found.asked, k)])
            for k, cast in enumerate(found.casts)
        ]
        if not own or not looked(own[0], self.module.ANALYSIS):
            return None
        checks: list[OfCast] = [
            (cast, self.checks(each)) for cast, each in zip(found.casts, own, strict=True)
        ]
        section: Section = traced(
            self.module.section(own[0]), from_anatomy(own[0], self.module.ANALYSIS)
        )
        if self.module is depth_probe_section and found.transfer is not None:
            section, further = transferred(section, found, found.transfer)
            checks += further
        return replace(
            section,
            title=f"{self.experiment}: {self.title}",
            checks=told(self.experiment, checks, found.asked),
        )

    def checks(self, reference: AnatomyReference) -> list[Check]:
        """The checks that the section makes, without its figures."""
        each = looked(reference, self.module.ANALYSIS)
        if self.module in (attention_section, heads_section):
            found: list[Check] = self.module.all_claims(each)
            return found
        if self.module is depth_probe_section:
            each = [one for one in each if depth_probe_section.has_mean(one.own)]
        claims: Callable[..., Iterable[Check]] = self.module.claims
        return list(claims(each))


def transferred(
    section: Section, found: ReproductionReference, transfer: ProbesReference
) -> tuple[Section, list[OfCast]]:
    """``section`` with what the second image set says, and the checks on it."""
    inner = Inner("E12", "", depth_probe_section)
    cast = of_some(transfer, found.casts[0])
    second = traced(
        depth_probe_section.section(cast), from_anatomy(cast, depth_probe_section.ANALYSIS)
    )
    one = transfer.open(transfer.found[0].plan.name)
    source = one.attrs["images"]["source"]
    figures = tuple(
        replace(
            figure,
            name=f"{TRANSFER}-{figure.name}",
            caption=f"{figure.caption} On the second image set, {source}.",
            data=TRANSFER,
        )
        for figure in second.figures
    )
    both = replace(
        section,
        figures=(*section.figures, *figures),
        tables=(
            *section.tables,
            *(
                replace(t, caption=f"{t.caption} On the second image set, {source}.")
                for t in second.tables
            ),
        ),
    )
    return both, [(cast, inner.checks(of_some(transfer, cast))) for cast in found.casts]


INNER = (
    Inner("E3", "attention distance", attention_section, on_fractions),
    Inner("E4", "heads against a ResNet", heads_section),
    Inner("E5", "effective receptive fields", field_section),
    Inner("E6", "skip connections", skip_section),
    Inner("E8", "localization", localization_section),
    Inner("E9", "localization under average pooling", localization_section, on_pooling),
    Inner("E10", "probes on single tokens", token_probe_section, on_pooling),
    Inner("E12", "probes by depth, and transfer", depth_probe_section, on_fractions),
)


def inner_sections(found: ReproductionReference) -> Iterator[tuple[str, Section]]:
    """The section of every experiment that has numbers, by its id."""
    for one in INNER:
        section = one.section(found)
        if section is not None:
            yield one.experiment, section


def inner_data(found: ReproductionReference) -> Iterator[Csv]:
    """The numbers behind their figures."""
    made: set[str] = set()
    for one in INNER:
        reference = one.reference(found)
        # Both sections on probes draw from one table.
        module = token_probe_section if one.module is depth_probe_section else one.module
        if reference is not None and module.ANALYSIS not in made:
            made.add(module.ANALYSIS)
            yield from module.data(reference)
    if found.transfer is not None:
        for csv in token_probe_section.data(found.transfer):
            yield replace(csv, name=TRANSFER)


def once(made: Iterable[Section]) -> Iterator[Section]:
    """The sections, each figure in the first that has it."""
    seen: set[str] = set()
    for section in made:
        figures: list[Figure] = [one for one in section.figures if one.name not in seen]
        seen.update(figure.name for figure in figures)
        yield replace(section, figures=tuple(figures))
