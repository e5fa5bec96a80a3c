"""Mean attention distance of every head (E3)."""

import numpy as np
import xarray as xr

from seelike.analysis.networks.anatomy.attention import attention_distance, uniform_distance
from seelike.analysis.networks.anatomy.attention_maps import attention_blocks
from seelike.analysis.similarity import jackknifed
from seelike.tasks.anatomy.context import AnalysisInput, looking_for_parts


def attention(inputs: AnalysisInput) -> xr.Dataset:
    """Compute the mean attention distance of every head, in pixels.

    Returns:
        A dataset over ``head``: ``plain`` and ``renormalised``; beside each ``_uniform``, the
        distance of a head that attends to all tokens alike, and ``_images`` (head, image).

    Raises:
        MissingPart: For a network without attention.
    """
    with looking_for_parts():
        attention_blocks(inputs.network)
    found = attention_distance(inputs.network, inputs.batches())
    rows = [(block, head) for block in found.blocks for head in range(block.heads)]
    dataset = xr.Dataset(
        coords={
            "block": ("head", [block.module for block, _ in rows]),
            "block_number": ("head", [found.blocks.index(block) for block, _ in rows]),
            "head_number": ("head", [head for _, head in rows]),
            "patch": ("head", [float(np.sqrt(np.prod(block.patch))) for block, _ in rows]),
            "image": list(inputs.images.ids[: inputs.count]),
        },
        attrs={"unit": "pixels"},
    )
    for name, each in (("plain", found.plain), ("renormalised", found.renormalised)):
        distances = np.concatenate(each)
        uniform = [
            # A head that attends to all tokens alike gives the prefix its share.
            uniform_distance(b.grid, b.patch)
            * (1.0 if name == "renormalised" else (b.tokens - b.prefix) / b.tokens)
            for b, _ in rows
        ]
        dataset[f"{name}_uniform"] = ("head", uniform)
        dataset[f"{name}_images"] = (("head", "image"), distances)
        jackknifed(distances.T).enter(dataset, name, "head")
    return dataset
