"""The frame that all reports share: first screen, warnings, provenance, notes on verdicts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from seelike.analysis.claims import RULE, Verdict, chance_words, tally
from seelike.storage.reports.write import Cell, Figure, Group, Page, Section, Table
from seelike.tasks.reports.elements.tables import accuracy_of
from seelike.tasks.reports.elements.wording import count

NO_FAILURES: Mapping[str, str] = MappingProxyType({})


def report_page(
    title: str,
    lead: Iterable[str],
    sections: Sequence[Section],
    *,
    provenance: Iterable[Group],
    warnings: Iterable[str],
    notes: Iterable[str] = (),
    first: Sequence[str] = (),
) -> Page:
    """Put a report together.

    Args:
        title: The question.
        lead: Sentences below the title; a count of the verdicts goes before them.
        sections: All sections, in reading order.
        provenance: Images, models, settings and versions.
        warnings: Sentences in the box on top.
        notes: Further sentences for the notes; the rule for verdicts goes before them.
        first: Names of figures for the first screen, the best first; the first one that there is
            moves there from its section.
    """
    verdicts = [check.verdict for section in sections for check in section.checks]
    figure, others = pick_first_figure(sections, first)
    return Page(
        title=title,
        lead=(*verdict_count(verdicts), *lead),
        first=figure,
        sections=others,
        provenance=tuple(provenance),
        warnings=tuple(warnings),
        notes=(*verdict_notes(verdicts), *notes),
    )


def pick_first_figure(
    sections: Iterable[Section], names: Sequence[str]
) -> tuple[Figure | None, tuple[Section, ...]]:
    """Take the figure of the first screen out of its section.

    Args:
        sections: All sections.
        names: Names of figures, the best first.

    Returns:
        The first of ``names`` that is a figure of a section, None without one; and the sections
        without it.
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


def verdict_count(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Count the tested claims by verdict, in words; empty without claims."""
    if verdicts:
        claims = count(len(verdicts), "claim")
        yield f"{claims} of the paper, tested on these networks: {tally(verdicts)}."


def verdict_notes(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The rule for verdicts, and how many chance alone would decide; nothing without claims."""
    if verdicts:
        yield RULE
        yield chance_words(verdicts)


def failure_warnings(missing: Mapping[str, str], *, kind: str = "Model") -> Iterator[str]:
    """Models of the study that failed, and why."""
    for name, why in missing.items():
        yield f"{kind} {name!r} of the study is missing here, it failed: {why}."


def image_warnings(images: Mapping[str, Any]) -> Iterator[str]:
    """Images that were left out because they could not be read."""
    unreadable = images["left_out"]
    if unreadable:
        were = "was" if len(unreadable) == 1 else "were"
        names = ", ".join(unreadable)
        yield f"{count(len(unreadable), 'image')} could not be read and {were} left out: {names}."


def layer_warnings(attributes: Mapping[str, Any]) -> Iterator[str]:
    """Layers that were left out of a comparison because they are the same for all images."""
    if attributes["left_out_taps"]:
        layers = ", ".join(attributes["left_out_taps"])
        yield f"Constant over the images, so left out: {layers}."


def images_group(images: Mapping[str, Any]) -> Group:
    """Source, number and digest of the images."""
    return Group("Images", tuple((key, str(images[key])) for key in ("source", "count", "digest")))


def versions_group(versions: Mapping[str, str]) -> Group:
    """Versions of the packages that computed the numbers."""
    return Group("Versions", tuple(versions.items()))


def models_group(
    facts: Mapping[str, Mapping[str, Any]], further: Mapping[str, Mapping[str, Cell]]
) -> Group:
    """Every model with its architecture, weights and test accuracy.

    Args:
        facts: Facts that a survey found of each model, by name.
        further: Further columns by title: a cell by model.
    """
    rows = [
        (
            model,
            own["architecture"],
            "trained" if own["trained"] else "untrained",
            accuracy_of(own),
            own["parameters"],
            " × ".join(map(str, own["input"])),
            own["weights"][:12],
            *(column.get(model) for column in further.values()),
        )
        for model, own in facts.items()
    ]
    header = ("model", "architecture", "weights", "test accuracy", "parameters", "input")
    caption = "Test accuracy from the checkpoint's card, with its 95 % binomial interval."
    table = Table((*header, "digest of weights", *further), tuple(rows), caption=caption)
    return Group("Models", tables=(table,))


def comparison_provenance(
    attributes: Mapping[str, Any], *, entries: Mapping[str, str], further: Mapping[str, str]
) -> Iterator[Group]:
    """Provenance of a comparison, or of what was made of all its pairs.

    Args:
        attributes: Attributes of the dataset.
        entries: Entries of the store by title, before the settings that all share.
        further: Settings by title, after them.
    """
    yield images_group(attributes["images"])
    signatures = {name: digest[:12] for name, digest in attributes["signatures"].items()}
    yield models_group(attributes["models"], {"signatures": signatures})
    settings = {
        **entries,
        "estimator": attributes["estimator"],
        "layers": ", ".join(attributes["taps"]),
        "reduction": attributes["reduction"],
        "images per batch": str(attributes["batch"]),
        **further,
        "computed": attributes["computed"],
    }
    yield Group("How it was computed", tuple(settings.items()))
    yield versions_group(attributes["versions"])
