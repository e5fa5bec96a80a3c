"""The page of a study's probes: a section per experiment, and its provenance."""

from collections.abc import Iterator, Mapping
from typing import Any

from seelike.storage.reports.write import Group, Page
from seelike.tasks.probing import ANALYSIS, PARTS
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
from seelike.tasks.reports.probing import by_depth, single_tokens
from seelike.tasks.results import ProbesResult

# In reading order.
SECTIONS = (by_depth.section, single_tokens.section)


def build_page(
    reference: ProbesResult, *, images: dict[str, Any], missing: Mapping[str, str] = NO_FAILURES
) -> Page:
    """Build the report of probes; parameters as for ``write_probes``."""
    results = load_results(reference, ANALYSIS)
    sections = [with_lineage(build(results), from_analysis(results)) for build in SECTIONS]
    models = [one.plan.name for one in results.found if not one.plan.subject.baseline_of]
    return report_page(
        f"What can be read from the layers of {join_names(models)}?",
        [
            f"Linear probes on {images['count']} images ({images['source']}), every model on the "
            "same images, trained and tested on the same parts of them."
        ],
        [one for one in sections if one.figures],
        provenance=_provenance(results, images),
        warnings=(*failure_warnings(missing), *image_warnings(images)),
    )


def _provenance(results: AnalysisResults, images: Mapping[str, Any]) -> Iterator[Group]:
    known = {name: dataset.attrs for name, dataset in results.datasets.items()}
    any_one = next(iter(known.values()))
    parts, design = any_one["split"], any_one["probing"]
    yield images_group(images)
    yield Group(
        "How images were split",
        (
            *((part.replace("_", " "), str(parts[part])) for part in PARTS),
            ("seed", str(parts["seed"])),
            ("classes", str(len(any_one["classes"]))),
            ("most frequent class in test", f"{any_one['chance']:.3f}"),
            ("shots", ", ".join(map(str, design["shots"]))),
            ("draws", str(design["draws"])),
            ("interval", any_one["interval"]),
        ),
    )
    yield models_group(
        {one.plan.name: one.plan.facts for one in results.found},
        {
            "recording": {name: own["recording"][:12] for name, own in known.items()},
            "seconds": {name: own["seconds"] for name, own in known.items()},
            "digest in the store": {one.plan.name: one.name[:12] for one in results.found},
        },
    )
    yield versions_group(any_one["versions"])
