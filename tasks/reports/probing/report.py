"""The report of a study's probes: a section an experiment, and what stands behind it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.claims import tally
from seelike.storage.reports import write
from seelike.storage.reports.write import Group, Page, Table
from seelike.tasks.probing import ANALYSIS, PARTS
from seelike.tasks.reports.comparison.report import NOTHING, verdict_notes
from seelike.tasks.reports.elements.claims import listed
from seelike.tasks.reports.elements.lineage import from_anatomy, with_lineage
from seelike.tasks.reports.probing import by_depth, single_tokens
from seelike.tasks.results import ProbesResult
from seelike.tasks.runtime.retries import RETRIED

# In reading order.
SECTIONS = (by_depth, single_tokens)


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIED)
def write_probes(
    reference: ProbesResult,
    *,
    images: dict[str, Any],
    folder: str,
    missing: Mapping[str, str] = NOTHING,
) -> ProbesResult:
    """Draw and write the report into ``folder``; the reference with its path.

    ``images`` describes the image set. ``missing`` says why models of the study are not in it.
    """
    page = page_of(reference, images=images, missing=missing)
    return replace(reference, report=write.write(folder, page, store=reference.store))


def page_of(
    reference: ProbesResult, *, images: dict[str, Any], missing: Mapping[str, str] = NOTHING
) -> Page:
    """The whole report, as a page to be rendered."""
    origins = from_anatomy(reference, ANALYSIS)
    sections = [with_lineage(one.section(reference), origins) for one in SECTIONS]
    models = [one.plan.name for one in reference.found if not one.plan.subject.baseline_of]
    verdicts = [check.verdict for section in sections for check in section.checks]
    lead = [
        f"Linear probes on {images['count']} images ({images['source']}), every model on the same "
        "images, trained and tested on the same parts of them."
    ]
    if verdicts:
        lead.insert(
            0, f"Of {len(verdicts)} claims of the study, on these networks: {tally(verdicts)}."
        )
    warnings = [
        f"Model {model!r} of the study is missing here, it failed: {why}."
        for model, why in missing.items()
    ]
    if images["left_out"]:
        left_out = images["left_out"]
        warnings.append(
            f"{len(left_out)} images could not be read and were left out: {', '.join(left_out)}."
        )
    return Page(
        title=f"What can be read from the layers of {listed(models)}?",
        lead=tuple(lead),
        sections=tuple(one for one in sections if one.figures),
        provenance=tuple(_provenance(reference, images)),
        data=tuple(single_tokens.data(reference)),
        warnings=tuple(warnings),
        notes=tuple(verdict_notes(verdicts)),
    )


def _provenance(reference: ProbesResult, images: dict[str, Any]) -> Iterator[Group]:
    known = {
        one.plan.name: reference.open(one.plan.name, ANALYSIS).attrs for one in reference.found
    }
    any_one: dict[str, Any] = next(iter(known.values()))
    parts, design = any_one["split"], any_one["probing"]
    yield Group("Images", tuple((key, str(images[key])) for key in ("source", "count", "digest")))
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
    rows = tuple(
        (
            one.plan.name,
            one.plan.facts["architecture"],
            "trained" if one.plan.facts["trained"] else "untrained",
            one.plan.facts["parameters"],
            one.plan.facts["weights"][:12],
            known[one.plan.name]["recording"][:12],
            known[one.plan.name]["seconds"],
            one.name[:12],
        )
        for one in reference.found
    )
    header = (
        *("model", "architecture", "weights", "parameters", "digest of weights", "recording"),
        *("seconds", "in the store"),
    )
    yield Group("Models", tables=(Table(header, rows),))
    yield Group("Versions", tuple(any_one["versions"].items()))
