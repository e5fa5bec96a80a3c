"""The analyses of an anatomy: a network and images in, a labelled dataset of numbers out.

Every number stands beside its interval over images (``_low``, ``_high``) and what it is without
each group of them (``_without``), of which a report makes the intervals of what it computes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import xarray as xr

from seelike.tasks.anatomy.ablation import ablation
from seelike.tasks.anatomy.attention import attention
from seelike.tasks.anatomy.context import GRAM, GROUP, AnalysisInput
from seelike.tasks.anatomy.heads import heads
from seelike.tasks.anatomy.localization import localization
from seelike.tasks.anatomy.receptive_fields import fields
from seelike.tasks.anatomy.residuals import skip_connections


@dataclass(frozen=True)
class Analysis:
    """How a network is looked into.

    ``group`` images are left out together, and go through the network at a time, or
    ``several_groups`` do. Where it ``reads_taps`` it looks at those of the study. ``version`` goes
    up when numbers change, so that those of another version are computed again.
    """

    look: Callable[[AnalysisInput], xr.Dataset]
    group: int = 1
    reads_taps: bool = False
    several_groups: bool = False
    version: int = 1


ANALYSES: dict[str, Analysis] = {
    "attention": Analysis(attention),
    "heads": Analysis(heads, GRAM, version=2),
    "receptive_fields": Analysis(fields, GROUP, reads_taps=True, several_groups=True, version=3),
    "residuals": Analysis(skip_connections),
    "localization": Analysis(localization, GRAM, reads_taps=True, version=2),
    "ablation": Analysis(ablation, GRAM, reads_taps=True),
}
