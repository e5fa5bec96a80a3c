"""The report of a comparison: drawn, worded, and with what stands behind it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import xarray as xr
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.claims import RULE, Verdict, chance_words, tally
from seelike.analysis.claims.experiments.comparison import cases
from seelike.analysis.claims.findings import compared_models
from seelike.analysis.claims.relations import MOST, models_in_pairs, relations
from seelike.analysis.similarity.intervals.proportions import share
from seelike.storage.reports import write
from seelike.storage.reports.write import Group, Page, Table
from seelike.tasks.reports.comparison.nearest_layers import nearest_data, nearest_sections
from seelike.tasks.reports.comparison.other_measures import further_sections
from seelike.tasks.reports.comparison.single_factor.sections import related_data, related_sections
from seelike.tasks.reports.comparison.within_and_across import data, sections
from seelike.tasks.reports.elements.claims import cell, listed
from seelike.tasks.reports.elements.lineage import from_comparison, pick_first_figure, with_lineage
from seelike.tasks.reports.elements.prefect_artifacts import show_report
from seelike.tasks.reports.elements.selection import of_models
from seelike.tasks.results import ComparisonResult
from seelike.tasks.runtime.retries import RETRIED
from seelike.tasks.runtime.run_log import run_log

NOTHING: Mapping[str, str] = MappingProxyType({})
# What shows most on the first screen: the first of these that is drawn.
FIRST = ("all-pairs", "trained-and-untrained")


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIED)
def write_report(
    comparison: ComparisonResult, *, folder: str, missing: Mapping[str, str] = NOTHING
) -> ComparisonResult:
    """Draw and write the report of ``comparison`` into ``folder``; the reference with its path.

    ``missing`` says why models of the study, by name, are not in it.
    """
    dataset = comparison.open().load()
    drawn = page(dataset, comparison, missing=missing)
    index = write.write(folder, drawn, store=comparison.store)
    show_report(drawn, study=dataset.attrs["study"], report=index)
    run_log().info(f"report: {index}")
    return replace(comparison, report=index)


def page(
    dataset: xr.Dataset, comparison: ComparisonResult, *, missing: Mapping[str, str] = NOTHING
) -> Page:
    """The whole report of ``comparison``, whose numbers ``dataset`` are, as a page."""
    measured = compared_models(dataset)
    found = cases(measured)
    models = list(measured.families)
    shown = of_models(dataset, models_in_pairs(dataset, models))
    every = (
        *sections(shown, compared_models(shown), found, measured.facts),
        *nearest_sections(dataset, models),
        *related_sections(dataset, measured),
        *further_sections(dataset, measured),
    )
    origins = from_comparison(comparison)
    first, rest = pick_first_figure([with_lineage(section, origins) for section in every], FIRST)
    verdicts = [check.verdict for section in every for check in section.checks]
    return Page(
        title=f"How alike are the layers of {called(models)}?",
        lead=tuple(_lead(dataset, verdicts)),
        first=first,
        sections=rest,
        provenance=tuple(provenance(dataset, name=comparison.name)),
        data=(
            *data(dataset, models),
            *nearest_data(dataset, models),
            *related_data(dataset, measured),
        ),
        warnings=(*_missing(missing), *_warnings(dataset)),
        notes=(*verdict_notes(verdicts), *_notes(dataset, models)),
    )


def called(models: list[str]) -> str:
    """``models`` by name, or where they are many, how many they are."""
    return listed(models) if len(models) <= MOST else f"{len(models)} networks"


def verdict_notes(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The rule for verdicts, and what chance would give; nothing where there are none."""
    if verdicts:
        yield RULE
        yield chance_words(verdicts)


def _notes(dataset: xr.Dataset, models: list[str]) -> Iterator[str]:
    shown = models_in_pairs(dataset, models)
    if shown != models:
        yield (
            f"Of {len(models)} networks the sections within and across models, beyond chance and "
            f"by other measures show the first of each architecture: {listed(shown)}. All pairs "
            "are in the numbers."
        )


def _lead(dataset: xr.Dataset, verdicts: list[Verdict]) -> Iterator[str]:
    images = dataset.attrs["images"]
    taps = dataset.sizes["tap_a"]
    if verdicts:
        yield f"Of {len(verdicts)} claims of the study, on these networks: {tally(verdicts)}."
    yield (
        f"CKA between all pairs of {taps} layers on {images['count']} images "
        f"({images['source']}), every model on the same images in the same order."
    )


def _missing(missing: Mapping[str, str]) -> Iterator[str]:
    for model, why in missing.items():
        yield f"Model {model!r} of the study is missing here, it failed: {why}."


def _warnings(dataset: xr.Dataset) -> Iterator[str]:
    left_out = dataset.attrs["images"]["left_out"]
    if left_out:
        yield f"{len(left_out)} images could not be read and were left out: {', '.join(left_out)}."
    taps = dataset.attrs["left_out_taps"]
    if taps:
        yield f"Constant over the images, so left out: {', '.join(taps)}."
    if "cka_low" not in dataset:
        yield no_interval(dataset)
    yield from relations(dataset).doubtful_seeds()


def no_interval(dataset: xr.Dataset) -> str:
    """Why a comparison has no intervals, and what would give them."""
    sizes = dataset["batch_images"].values.tolist() if "batch_images" in dataset else [0]
    if len(sizes) == 1:
        return (
            "All images are one batch: nothing can be left out, so there are no intervals and no "
            "verdicts. Take more images, or a smaller batch."
        )
    return (
        f"The batches have {', '.join(map(str, sizes))} images, so unequal that one decides: there "
        "are no intervals and no verdicts. Choose images.count as a multiple of batch."
    )


def provenance(dataset: xr.Dataset, *, name: str) -> Iterator[Group]:
    """What stands behind the comparison of digest ``name``."""
    attributes = dataset.attrs
    images = attributes["images"]
    yield Group(
        "Images",
        tuple((key, str(images[key])) for key in ("source", "count", "digest")),
    )
    yield Group("Models", tables=(models_table(attributes),))
    yield Group(
        "How it was computed",
        (
            ("comparison", name),
            ("estimator", attributes["estimator"]),
            ("interval", attributes["interval"]),
            ("taps", ", ".join(attributes["taps"])),
            ("reduction", attributes["reduction"]),
            ("images a batch", str(attributes["batch"])),
            ("computed", attributes["computed"]),
            ("seconds to compare", f"{attributes['seconds']:.1f}"),
        ),
    )
    yield Group("Versions", tuple(attributes["versions"].items()))


def models_table(attributes: dict[str, Any]) -> Table:
    """Every model of a comparison with what it is and how good."""
    rows = []
    for model, facts in attributes["models"].items():
        test = facts.get("test")
        accuracy = None if test is None else cell(share(test["correct"], test["total"]))
        rows.append(
            (
                model,
                facts["architecture"],
                "trained" if facts["trained"] else "untrained",
                accuracy,
                facts["parameters"],
                " × ".join(map(str, facts["input"])),
                facts["weights"][:12],
                attributes["signatures"][model][:12],
            )
        )
    return Table(
        (
            "model",
            "architecture",
            "weights",
            "test accuracy",
            "parameters",
            "input",
            "digest of weights",
            "signatures",
        ),
        tuple(rows),
        caption="Test accuracy as on the checkpoint's card, with its 95 % binomial interval.",
    )
