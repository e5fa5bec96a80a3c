"""The analyses of an anatomy: a network and images in, a labelled dataset of numbers out.

Beside every number stand its interval over images (``_low``, ``_high``) and its values without each
group of them (``_without``), from which a report computes intervals of its own numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import xarray as xr

from seelike.tasks.anatomy.ablation import ablation
from seelike.tasks.anatomy.attention import attention
from seelike.tasks.anatomy.context import BATCH, GROUP, AnalysisInput
from seelike.tasks.anatomy.heads import heads
from seelike.tasks.anatomy.localization import localization
from seelike.tasks.anatomy.receptive_fields import fields
from seelike.tasks.anatomy.residuals import skip_connections


@dataclass(frozen=True)
class Analysis:
    """One analysis of a network.

    Attributes:
        compute: From a network and its images to a dataset.
        group: Images that are left out together, for intervals, and go through the network
            together.
        reads_taps: Whether it analyzes the taps of the study, not parts that it finds itself.
        several_groups: Whether several groups go through the network together.
        version: Raised when numbers change, so that results of another version are computed again.
    """

    compute: Callable[[AnalysisInput], xr.Dataset]
    group: int = 1
    reads_taps: bool = False
    several_groups: bool = False
    version: int = 1


ANALYSES: dict[str, Analysis] = {
    "attention": Analysis(attention),
    "heads": Analysis(heads, BATCH, version=2),
    "receptive_fields": Analysis(fields, GROUP, reads_taps=True, several_groups=True, version=3),
    "residuals": Analysis(skip_connections),
    "localization": Analysis(localization, BATCH, reads_taps=True, version=2),
    "ablation": Analysis(ablation, BATCH, reads_taps=True),
}
