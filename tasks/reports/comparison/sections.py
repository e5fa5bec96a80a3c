"""The sections of a comparison's report beyond those on claims about families, in order."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

from seelike.storage.reports.write import Section
from seelike.tasks.reports.comparison import chance, nearest_layers, other_measures, seeds
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.single_factor import data_scale, fine_tuning, skip_free


class SectionBuilder(Protocol):
    """Build a section of a comparison's report with its figures, tables and CSV files."""

    def __call__(self, view: ComparisonView, /) -> Section | None:
        """The section; None where the comparison lacks the numbers or the networks."""


# By experiment: networks that differ in one factor only, a skip, their data or their start.
SINGLE_FACTOR: Mapping[str, SectionBuilder] = MappingProxyType(
    {"E7": skip_free.section, "E11": data_scale.section, "E13": fine_tuning.section}
)
OPTIONAL: tuple[SectionBuilder, ...] = (
    nearest_layers.section,
    *SINGLE_FACTOR.values(),
    chance.section,
    seeds.section,
    other_measures.linear_agreement,
    other_measures.rbf_agreement,
    other_measures.sweep,
    other_measures.other_measures,
)


def optional_sections(view: ComparisonView) -> Iterator[Section]:
    """The sections for which the comparison has the numbers and the networks."""
    for build in OPTIONAL:
        section = build(view)
        if section is not None:
            yield section
