"""The page of a map: whole models, factors that explain their similarity, and all layers."""

from collections.abc import Mapping

from seelike.storage.reports.write import Page
from seelike.tasks.reports.elements.lineage import from_map, with_lineage
from seelike.tasks.reports.elements.page import (
    NO_FAILURES,
    comparison_provenance,
    failure_warnings,
    image_warnings,
    layer_warnings,
    report_page,
)
from seelike.tasks.reports.elements.wording import names_or_count
from seelike.tasks.reports.model_map import factors, layers, models
from seelike.tasks.results import MapResult

# In reading order.
SECTIONS = (models.section, factors.section, layers.section)
# Candidates for the figure of the first screen, the best first.
FIRST = ("layer-map", "models-aligned")


def build_page(reference: MapResult, *, missing: Mapping[str, str] = NO_FAILURES) -> Page:
    """Build the report of a map; parameters as for ``write_map``."""
    mapped = reference.open().load()
    known = mapped.attrs
    origins = from_map(reference)
    owners = zip(mapped["model"].values, mapped["baseline_of"].values, strict=True)
    own = [str(name) for name, owner in owners if not owner]
    images = known["images"]
    sections = [with_lineage(build(mapped), origins) for build in SECTIONS]
    return report_page(
        f"How alike are {names_or_count(own)} as a whole?",
        (
            *sections[0].paragraphs[:1],
            f"CKA of all pairs of {mapped.sizes['tap']} layers of {mapped.sizes['model']} models "
            f"on {images['count']} images ({images['source']}), summarised to similarities of "
            "models and to a map.",
        ),
        sections,
        first=FIRST,
        provenance=comparison_provenance(
            known,
            entries={"all pairs of layers": known["pairs"]},
            further={
                "depth window of best matches": f"{known['window']:g}",
                "map": known["method"],
                "seconds to map": f"{known['seconds']:.1f}",
            },
        ),
        warnings=(*failure_warnings(missing), *image_warnings(images), *layer_warnings(known)),
    )
