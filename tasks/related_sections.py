"""The sections on networks that differ in one thing only: a skip, their data, their start."""

from collections.abc import Iterator

import xarray as xr

from analysis.claims.findings import Measured
from storage.reports import Csv, Section
from tasks import data_scale_section, fine_tuning_section, skip_free_section

# In reading order; each is there where the study has such networks.
SECTIONS = {
    one.EXPERIMENT: one for one in (skip_free_section, data_scale_section, fine_tuning_section)
}


def related_sections(dataset: xr.Dataset, measured: Measured) -> Iterator[Section]:
    """Those that the comparison has the networks for."""
    for one in SECTIONS.values():
        section = one.section(dataset, measured)
        if section is not None:
            yield section


def related_data(dataset: xr.Dataset, measured: Measured) -> Iterator[Csv]:
    """The numbers behind their figures."""
    for one in SECTIONS.values():
        yield from one.data(dataset, measured)
