"""The report of a map: whole models, what explains how alike they are, and all layers."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import xarray as xr
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.storage.reports import write
from seelike.storage.reports.write import Group, Page
from seelike.tasks.reports.comparison.report import NOTHING, called, models_table
from seelike.tasks.reports.elements.lineage import from_map, pick_first_figure, with_lineage
from seelike.tasks.reports.model_map import factors, layers, models
from seelike.tasks.results import MapResult
from seelike.tasks.runtime.retries import RETRIED
from seelike.tasks.runtime.run_log import run_log

# In reading order.
SECTIONS = (models, factors, layers)
FIRST = ("layer-map", "models-aligned")


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIED)
def write_map(
    reference: MapResult, *, folder: str, missing: Mapping[str, str] = NOTHING
) -> MapResult:
    """Draw and write the report into ``folder``; the reference with its path.

    ``missing`` says why models of the study are not in it.
    """
    index = write.write(folder, page_of(reference, missing=missing), store=reference.store)
    run_log().info(f"report: {index}")
    return replace(reference, report=index)


def page_of(reference: MapResult, *, missing: Mapping[str, str] = NOTHING) -> Page:
    """The whole report, as a page to be rendered."""
    mapped = reference.open().load()
    origins = from_map(reference)
    sections = [with_lineage(one.section(mapped), origins) for one in SECTIONS]
    first, rest = pick_first_figure(sections, FIRST)
    own = [
        str(name)
        for name, owner in zip(mapped["model"].values, mapped["baseline_of"].values, strict=True)
        if not owner
    ]
    images = mapped.attrs["images"]
    return Page(
        title=f"How alike are {called(own)} as a whole?",
        lead=(
            *tuple(models.words(mapped))[:1],
            f"CKA of all pairs of {mapped.sizes['tap']} layers of {mapped.sizes['model']} models "
            f"on {images['count']} images ({images['source']}), from layers to models and to a "
            "map.",
        ),
        first=first,
        sections=rest,
        provenance=tuple(_provenance(mapped)),
        data=tuple(csv for one in SECTIONS for csv in one.data(mapped)),
        warnings=tuple(_warnings(mapped, missing)),
    )


def _warnings(mapped: xr.Dataset, missing: Mapping[str, str]) -> Iterator[str]:
    for model, why in missing.items():
        yield f"Model {model!r} of the study is missing here, it failed: {why}."
    left_out = mapped.attrs["images"]["left_out"]
    if left_out:
        yield f"{len(left_out)} images could not be read and were left out: {', '.join(left_out)}."
    taps = mapped.attrs["left_out_taps"]
    if taps:
        yield f"Constant over the images, so left out: {', '.join(taps)}."


def _provenance(mapped: xr.Dataset) -> Iterator[Group]:
    known = mapped.attrs
    images = known["images"]
    yield Group("Images", tuple((key, str(images[key])) for key in ("source", "count", "digest")))
    yield Group("Models", tables=(models_table(known),))
    yield Group(
        "How it was computed",
        (
            ("all pairs of layers", known["pairs"]),
            ("estimator", known["estimator"]),
            ("taps", ", ".join(known["taps"])),
            ("reduction", known["reduction"]),
            ("images a batch", str(known["batch"])),
            ("depth window of best matches", f"{known['window']:g}"),
            ("map", known["method"]),
            ("computed", known["computed"]),
            ("seconds to map", f"{known['seconds']:.1f}"),
        ),
    )
    yield Group("Versions", tuple(known["versions"].items()))
