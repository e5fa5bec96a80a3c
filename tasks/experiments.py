"""The sections of a reproduction, E1 to E14 in order, each of what its models were found to be."""

from collections.abc import Iterator
from dataclasses import replace

import xarray as xr

from analysis import figures as draw
from analysis.similarity.trials import findings, fine_findings
from storage.digest import slug
from storage.reports import Check, Csv, Figure, Section
from tasks import attention_section, field_section, sections, skip_section
from tasks.drawn import drawn
from tasks.report import measured_of
from tasks.reproduced import ReproductionReference, of_models, of_some


def experiments(found: ReproductionReference) -> Iterator[Section]:
    """A section an experiment; one of which there are no numbers says so."""
    dataset = found.comparison.open().load()
    casts = [of_models(dataset, cast) for cast in found.casts]
    checks = [sections.check(finding) for cast in casts for finding in findings(measured_of(cast))]
    yield within(found, casts, checks)
    yield across(casts, checks)
    yield from inside(found)
    yield mixer(checks)


def within(found: ReproductionReference, casts: list[xr.Dataset], checks: list[Check]) -> Section:
    """E1: CKA within each model, on blocks and on the taps of the paper."""
    figures: list[Figure] = []
    words: list[str] = []
    own = _of("E1", checks)
    if casts:
        measured = measured_of(casts[0])
        figures += sections.within_figures(casts[0], measured)
        words += [sections.within_words(measured, model) for model in measured.families]
    if found.fine is not None:
        fine = found.fine.open().load()
        fine_measured = measured_of(fine)
        own += [sections.check(one) for one in fine_findings(fine_measured)]
        limits = draw.scale(fine)
        figures += [
            drawn(
                f"fine-{slug(model)}",
                draw.within(fine, model, limits=limits),
                alt=f"CKA between all layers of {model}, inside its blocks too.",
                caption=f"CKA between the layers of {model} inside its blocks too, as the paper "
                "taps them.",
            )
            for model in fine_measured.families
        ]
    return Section("E1: within one model", tuple(words), tuple(own), tuple(figures))


def across(casts: list[xr.Dataset], checks: list[Check]) -> Section:
    """E2: CKA between the layers of two models."""
    models = list(measured_of(casts[0]).families) if casts else []
    several = len(models) > 1
    return Section(
        "E2: across models",
        paragraphs=tuple(
            sections.across_words(casts[0], a, b) for i, a in enumerate(models) for b in models[:i]
        ),
        checks=tuple(_of("E2", checks)),
        figures=tuple(sections.across_figures(casts[0], models)) if several else (),
    )


def inside(found: ReproductionReference) -> Iterator[Section]:
    """E3, E5 and E6: what goes on inside the models."""
    for title, module in (
        ("E3: attention distance", attention_section),
        ("E5: effective receptive fields", field_section),
        ("E6: skip connections", skip_section),
    ):
        first = found.casts[0] if found.casts else []
        section = module.section(of_some(found.anatomy, first))
        yield replace(section, title=title)


def mixer(checks: list[Check]) -> Section:
    """E14: the MLP-Mixer."""
    return Section("E14: MLP-Mixer", checks=tuple(_of("E14", checks)))


def data(found: ReproductionReference) -> Iterator[Csv]:
    """The numbers to take along."""
    dataset = found.comparison.open().load()
    yield from sections.data(dataset, list(measured_of(dataset).families))
    for module in (attention_section, field_section, skip_section):
        yield from module.data(found.anatomy)


def _of(experiment: str, checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.experiment == experiment]
