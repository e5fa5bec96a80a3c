"""The page of an anatomy: a section per analysis, and its provenance."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import xarray as xr

from seelike.storage.digest import slug
from seelike.storage.reports.write import Group, Page, Table
from seelike.tasks.anatomy.context import BATCH, GROUP, SMALLEST_BATCH
from seelike.tasks.reports.anatomy import (
    ablation,
    attention,
    heads,
    localization,
    receptive_fields,
    residuals,
)
from seelike.tasks.reports.anatomy.section import SectionBuilder
from seelike.tasks.reports.elements.lineage import from_analysis, with_lineage
from seelike.tasks.reports.elements.model_results import AnalysisResults, load_results
from seelike.tasks.reports.elements.page import (
    NO_FAILURES,
    failure_warnings,
    image_warnings,
    images_group,
    models_group,
    report_page,
    versions_group,
)
from seelike.tasks.reports.elements.wording import join_names
from seelike.tasks.results import AnatomyResult

# By analysis, in reading order.
SECTIONS: dict[str, SectionBuilder] = {
    one.ANALYSIS: one.section
    for one in (attention, heads, receptive_fields, residuals, localization, ablation)
}

# Analyses with intervals over groups of images: a variable, and the images that two groups take.
LEFT_OUT_IN_GROUPS = {
    heads.ANALYSIS: ("length", BATCH + SMALLEST_BATCH),
    receptive_fields.ANALYSIS: ("centre_share", GROUP + 1),
    localization.ANALYSIS: ("share", BATCH + SMALLEST_BATCH),
    ablation.ANALYSIS: ("cka", BATCH + SMALLEST_BATCH),
}


def build_page(
    reference: AnatomyResult, *, images: dict[str, Any], missing: Mapping[str, str] = NO_FAILURES
) -> Page:
    """Build the report of an anatomy; parameters as for ``write_anatomy``."""
    asked = {one.analysis for one in reference.found}
    results = [load_results(reference, name) for name in SECTIONS if name in asked]
    own = (one.plan.name for one in reference.found if not one.plan.subject.baseline_of)
    models = list(dict.fromkeys(own))
    return report_page(
        f"What goes on inside {join_names(models)}?",
        [
            f"Analysed on {images['count']} images ({images['source']}), every model on the same "
            "images in the same order."
        ],
        [with_lineage(SECTIONS[one.analysis](one), from_analysis(one)) for one in results],
        first=_first_figures(models),
        provenance=_provenance(results, images),
        warnings=(*failure_warnings(missing), *image_warnings(images), *_too_few(results)),
    )


def _first_figures(models: Iterable[str]) -> list[str]:
    """Candidates for the figure of the first screen, the best first."""
    return [
        "fields-by-depth",
        "localization-by-depth",
        *(f"{name}-{slug(m)}" for name in ("heads", "skips") for m in models),
    ]


def _too_few(results: Sequence[AnalysisResults]) -> Iterator[str]:
    for one in results:
        number, least = LEFT_OUT_IN_GROUPS.get(one.analysis, ("", 0))
        if number and any(_of_one_group(dataset, number) for dataset in one.datasets.values()):
            yield (
                f"Too few images for intervals of {one.analysis.replace('_', ' ')}: they take "
                f"{least} or more, which make two groups to leave out in turn."
            )


def _of_one_group(dataset: xr.Dataset, number: str) -> bool:
    """Whether nothing can be left out; for heads the number of batches shows it."""
    if "batch" in dataset.sizes:
        return dataset.sizes["batch"] < 2
    return f"{number}_low" not in dataset


def _provenance(results: Sequence[AnalysisResults], images: Mapping[str, Any]) -> Iterator[Group]:
    yield images_group(images)
    plans = {one.plan.name: one.plan for each in results for one in each.found}
    yield models_group({name: plan.facts for name, plan in plans.items()}, {})
    rows = []
    for each in results:
        for one in each.found:
            if one.name:
                known = each.datasets[one.plan.name].attrs
                rows.append(
                    (
                        one.analysis,
                        one.plan.name,
                        known["images"]["used"],
                        known["interval"],
                        known["seconds"],
                        one.name[:12],
                    )
                )
    header = ("analysis", "model", "images", "interval", "seconds", "digest in the store")
    yield Group("How it was computed", tables=(Table(header, tuple(rows)),))
    known_versions = next((each.attributes for each in results if each.attributes), None)
    if known_versions is not None:
        yield versions_group(known_versions["versions"])
