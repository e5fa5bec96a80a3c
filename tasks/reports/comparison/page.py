"""The page of a comparison: sections, warnings and provenance on one page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import xarray as xr

from seelike.analysis.claims.experiments.comparison import cases
from seelike.storage.reports.write import Group, Page, Section
from seelike.tasks.reports.comparison import across, within
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.sections import optional_sections
from seelike.tasks.reports.elements.lineage import Origins, with_lineage
from seelike.tasks.reports.elements.page import (
    NO_FAILURES,
    comparison_provenance,
    failure_warnings,
    image_warnings,
    layer_warnings,
    report_page,
)
from seelike.tasks.reports.elements.wording import join_names, names_or_count

# Candidates for the figure of the first screen, the best first.
FIRST = ("all-pairs", "trained-and-untrained")


def build_page(
    view: ComparisonView,
    *,
    name: str,
    origins: Origins,
    missing: Mapping[str, str] = NO_FAILURES,
) -> Page:
    """Build the report of a comparison.

    Args:
        view: The comparison.
        name: Its digest.
        origins: Lineage of its figures.
        missing: Models of the study that failed, and why.
    """
    dataset = view.dataset
    images = dataset.attrs["images"]
    return report_page(
        f"How alike are the layers of {names_or_count(view.models)}?",
        [
            f"CKA between all pairs of {dataset.sizes['tap_a']} layers on {images['count']} images "
            f"({images['source']}), every model on the same images in the same order."
        ],
        [with_lineage(section, origins) for section in _sections(view)],
        first=FIRST,
        provenance=provenance(dataset, name=name),
        warnings=(
            *failure_warnings(missing),
            *image_warnings(images),
            *layer_warnings(dataset.attrs),
            *_interval_warnings(dataset),
            *view.relations.doubtful_seeds(),
        ),
        notes=_notes(view.models, view.shown.models),
    )


def _sections(view: ComparisonView) -> Iterable[Section]:
    found = cases(view.measured)
    yield within.section(view, [one for one in found if one.claim.experiment == "E1"])
    between = across.section(view, [one for one in found if one.claim.experiment != "E1"])
    yield from () if between is None else (between,)
    yield from optional_sections(view)


def _notes(models: Sequence[str], shown: Sequence[str]) -> Iterator[str]:
    if len(shown) < len(models):
        yield (
            "The figures within and across models and the sections beyond chance and by other "
            f"measures show {len(shown)} of {len(models)} networks, one per architecture: "
            f"{join_names(shown)}. The CSV file cka has all pairs of layers of all networks."
        )


def _interval_warnings(dataset: xr.Dataset) -> Iterator[str]:
    """Reason why a comparison has no intervals, and the remedy."""
    if "cka_low" in dataset:
        return
    sizes = dataset["batch_images"].values.tolist() if "batch_images" in dataset else [0]
    if len(sizes) == 1:
        yield (
            "There are no intervals and no verdicts: all images are in one batch, and intervals "
            "need two or more. Take more images, or a smaller batch."
        )
    else:
        yield (
            f"There are no intervals and no verdicts: the batches have {', '.join(map(str, sizes))}"
            " images, so unequal that one decides. Choose images.count as a multiple of batch."
        )


def provenance(dataset: xr.Dataset, *, name: str) -> Iterator[Group]:
    """Images, models, settings and versions of the comparison of digest ``name``."""
    return comparison_provenance(
        dataset.attrs,
        entries={"comparison": name},
        further={
            "interval": dataset.attrs["interval"],
            "seconds to compare": f"{dataset.attrs['seconds']:.1f}",
        },
    )
