"""The report of an anatomy: a section an analysis, and what stands behind it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import xarray as xr
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.claims import tally
from seelike.storage.digest import slug
from seelike.storage.reports import write
from seelike.storage.reports.write import Group, Page, Table
from seelike.tasks.anatomy.context import GRAM, GROUP, LEAST
from seelike.tasks.reports.anatomy import (
    ablation,
    attention,
    heads,
    localization,
    receptive_fields,
    residuals,
)
from seelike.tasks.reports.comparison.report import NOTHING, verdict_notes
from seelike.tasks.reports.elements.claims import listed
from seelike.tasks.reports.elements.lineage import from_anatomy, pick_first_figure, with_lineage
from seelike.tasks.results import AnatomyResult
from seelike.tasks.runtime.retries import RETRIED

# In reading order.
SECTIONS = {
    one.ANALYSIS: one
    for one in (
        attention,
        heads,
        receptive_fields,
        residuals,
        localization,
        ablation,
    )
}

# One of their numbers, and how many images it takes until there is an interval.
LEFT_OUT_IN_GROUPS = {
    heads.ANALYSIS: ("length", GRAM + LEAST),
    receptive_fields.ANALYSIS: ("centre_share", GROUP + 1),
    localization.ANALYSIS: ("share", GRAM + LEAST),
    ablation.ANALYSIS: ("cka", GRAM + LEAST),
}


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIED)
def write_anatomy(
    reference: AnatomyResult,
    *,
    images: dict[str, Any],
    folder: str,
    missing: Mapping[str, str] = NOTHING,
) -> AnatomyResult:
    """Draw and write the report into ``folder``; the reference with its path.

    ``images`` describes the image set. ``missing`` says why models of the study are not in it.
    """
    page = page_of(reference, images=images, missing=missing)
    return replace(reference, report=write.write(folder, page, store=reference.store))


def page_of(
    reference: AnatomyResult, *, images: dict[str, Any], missing: Mapping[str, str] = NOTHING
) -> Page:
    """The whole report, as a page to be rendered."""
    asked = {one.analysis for one in reference.found}
    chosen = [SECTIONS[name] for name in SECTIONS if name in asked]
    sections = [
        with_lineage(one.section(reference), from_anatomy(reference, one.ANALYSIS))
        for one in chosen
    ]
    models = dict.fromkeys(
        one.plan.name for one in reference.found if not one.plan.subject.baseline_of
    )
    verdicts = [check.verdict for section in sections for check in section.checks]
    lead = [
        f"Looked into on {images['count']} images ({images['source']}), every model on the same "
        "images in the same order."
    ]
    if verdicts:
        lead.insert(
            0, f"Of {len(verdicts)} claims of the study, on these networks: {tally(verdicts)}."
        )
    first, rest = pick_first_figure(sections, _telling(models))
    return Page(
        title=f"What goes on inside {listed(list(models))}?",
        lead=tuple(lead),
        first=first,
        sections=rest,
        provenance=tuple(_provenance(reference, images)),
        data=tuple(csv for one in chosen for csv in one.data(reference)),
        warnings=(*_warnings(missing, images), *_too_few(reference)),
        notes=tuple(verdict_notes(verdicts)),
    )


def _telling(models: Iterable[str]) -> list[str]:
    """The figures that show most, best first."""
    return [
        "fields-by-depth",
        "localization-by-depth",
        *(f"{name}-{slug(m)}" for name in ("heads", "skips") for m in models),
    ]


def _warnings(missing: Mapping[str, str], images: dict[str, Any]) -> Iterator[str]:
    for model, why in missing.items():
        yield f"Model {model!r} of the study is missing here, it failed: {why}."
    if images["left_out"]:
        names = ", ".join(images["left_out"])
        yield f"{len(images['left_out'])} images could not be read and were left out: {names}."


def _too_few(reference: AnatomyResult) -> Iterator[str]:
    for analysis, (number, least) in LEFT_OUT_IN_GROUPS.items():
        there = [one for one in reference.found if one.analysis == analysis and one.name]
        known = [reference.open(one.plan.name, analysis) for one in there]
        if any(_of_one_group(dataset, number) for dataset in known):
            yield (
                f"Too few images for intervals of {analysis.replace('_', ' ')}: {least} or more "
                "make two groups, of which each is left out in turn."
            )


def _of_one_group(dataset: xr.Dataset, number: str) -> bool:
    """Whether nothing can be left out; of heads that shows when they are beside units."""
    if "batch" in dataset.sizes:
        return dataset.sizes["batch"] < 2
    return f"{number}_low" not in dataset


def _provenance(reference: AnatomyResult, images: dict[str, Any]) -> Iterator[Group]:
    yield Group("Images", tuple((key, str(images[key])) for key in ("source", "count", "digest")))
    plans = {one.plan.name: one.plan for one in reference.found}
    models = Table(
        ("model", "architecture", "weights", "parameters", "input", "digest of weights"),
        tuple(
            (
                name,
                plan.facts["architecture"],
                "trained" if plan.facts["trained"] else "untrained",
                plan.facts["parameters"],
                " × ".join(map(str, plan.facts["input"])),
                plan.facts["weights"][:12],
            )
            for name, plan in plans.items()
        ),
    )
    yield Group("Models", tables=(models,))
    known = {
        (one.plan.name, one.analysis): reference.open(one.plan.name, one.analysis).attrs
        for one in reference.found
        if one.name
    }
    rows = tuple(
        (
            one.analysis,
            one.plan.name,
            known[one.plan.name, one.analysis]["images"]["used"],
            known[one.plan.name, one.analysis]["interval"],
            known[one.plan.name, one.analysis]["seconds"],
            one.name[:12],
        )
        for one in reference.found
        if one.name
    )
    header = ("analysis", "model", "images", "interval", "seconds", "in the store")
    yield Group("How it was computed", tables=(Table(header, rows),))
    if known:
        yield Group("Versions", tuple(next(iter(known.values()))["versions"].items()))
