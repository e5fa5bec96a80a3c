"""The sections on networks that differ in one thing only: a skip, their data, their start."""

from collections.abc import Iterator

import xarray as xr

from seelike.analysis.claims.findings import ComparedModels
from seelike.storage.reports.write import Csv, Section
from seelike.tasks.reports.comparison.single_factor import data_scale, fine_tuning, skip_free

# In reading order; each is there where the study has such networks.
SECTIONS = {one.EXPERIMENT: one for one in (skip_free, data_scale, fine_tuning)}


def related_sections(dataset: xr.Dataset, measured: ComparedModels) -> Iterator[Section]:
    """Those that the comparison has the networks for."""
    for one in SECTIONS.values():
        section = one.section(dataset, measured)
        if section is not None:
            yield section


def related_data(dataset: xr.Dataset, measured: ComparedModels) -> Iterator[Csv]:
    """The numbers behind their figures."""
    for one in SECTIONS.values():
        yield from one.data(dataset, measured)
