"""Residual sums: how skip and branch compare in norm and direction (E6)."""

import numpy as np
import xarray as xr

from seelike.analysis.networks.anatomy.blocks_without_skips import blocks_left_out
from seelike.analysis.networks.anatomy.residuals import residual_norms, residuals
from seelike.analysis.similarity import jackknifed
from seelike.tasks.anatomy.context import AnalysisInput, looking_for_parts, measurable


def skip_connections(inputs: AnalysisInput) -> xr.Dataset:
    """Compute norm ratio and cosine of skip and branch at every residual sum.

    Returns:
        A dataset over ``sum``, a residual sum and kind of token: ``ratio`` and ``cosine``, and
        both on every image, ``_images`` (sum, image).

    Raises:
        MissingPart: For a network without residual sums.
    """
    with looking_for_parts():
        sums = residuals(inputs.network)
        chosen, why_not = measurable(
            sums,
            lambda some: residual_norms(inputs.network, [inputs.first_images()], chosen=some),
        )
    found = residual_norms(inputs.network, inputs.batches(), chosen=chosen)
    rows = [(token, r) for token, norms in found.items() for r in norms.residuals]
    dataset = xr.Dataset(
        coords={
            "residual": ("sum", [r.name for _, r in rows]),
            "kind": ("sum", [r.kind for _, r in rows]),
            "token": ("sum", [token for token, _ in rows]),
            "depth": ("sum", [r.depth for _, r in rows]),
            "image": list(inputs.images.ids[: inputs.count]),
        },
        attrs={"left_out": blocks_left_out(inputs.network, sums) | why_not},
    )
    for name in ("ratio", "cosine"):
        each = np.concatenate([getattr(norms, name) for norms in found.values()])
        dataset[f"{name}_images"] = (("sum", "image"), each)
        jackknifed(each.T).enter(dataset, name, "sum")
    return dataset
