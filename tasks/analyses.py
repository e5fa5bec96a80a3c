"""The analyses of an anatomy: a network and images in, a labelled dataset of numbers out.

Every number stands beside its interval over images (``_low``, ``_high``) and what it is without
each group of them (``_without``), of which a report makes the intervals of what it computes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.networks.attention import attention_distance, uniform_distance
from analysis.networks.attention_maps import attention_blocks
from analysis.networks.residuals import residual_norms, residuals
from analysis.networks.unsummed import passed_over
from analysis.similarity import jackknifed
from tasks.ablated import ablation
from tasks.heads import heads
from tasks.localized import localization
from tasks.receptive_fields import fields
from tasks.seen import GRAM, GROUP, Seen, finding, usable


def attention(seen: Seen) -> xr.Dataset:
    """The mean attention distance of every head, in pixels: over ``head``.

    ``plain`` and ``renormalised``, each beside the distance of a head that attends to all tokens
    alike (``_uniform``) and those on every image (``_images``).
    """
    with finding():
        attention_blocks(seen.network)
    found = attention_distance(seen.network, seen.batches())
    rows = [(block, head) for block in found.blocks for head in range(block.heads)]
    dataset = xr.Dataset(
        coords={
            "block": ("head", [block.module for block, _ in rows]),
            "block_number": ("head", [found.blocks.index(block) for block, _ in rows]),
            "head_number": ("head", [head for _, head in rows]),
            "patch": ("head", [float(np.sqrt(np.prod(block.patch))) for block, _ in rows]),
            "image": list(seen.images.ids[: seen.count]),
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


def skips(seen: Seen) -> xr.Dataset:
    """Norm ratio and cosine of skip and branch over ``sum``: a residual sum and kind of token.

    Both on every image as well (``_images``).
    """
    with finding():
        sums = residuals(seen.network)
        chosen, why_not = usable(
            sums,
            lambda some: residual_norms(seen.network, [seen.few()], chosen=some),
        )
    found = residual_norms(seen.network, seen.batches(), chosen=chosen)
    rows = [(token, r) for token, norms in found.items() for r in norms.residuals]
    dataset = xr.Dataset(
        coords={
            "residual": ("sum", [r.name for _, r in rows]),
            "kind": ("sum", [r.kind for _, r in rows]),
            "token": ("sum", [token for token, _ in rows]),
            "depth": ("sum", [r.depth for _, r in rows]),
            "image": list(seen.images.ids[: seen.count]),
        },
        attrs={"left_out": passed_over(seen.network, sums) | why_not},
    )
    for name in ("ratio", "cosine"):
        each = np.concatenate([getattr(norms, name) for norms in found.values()])
        dataset[f"{name}_images"] = (("sum", "image"), each)
        jackknifed(each.T).enter(dataset, name, "sum")
    return dataset


@dataclass(frozen=True)
class Analysis:
    """How a network is looked into.

    ``group`` images are left out together, and go through the network at a time, or
    ``several_groups`` do. Where it ``reads_taps`` it looks at those of the study. ``version`` goes
    up when numbers change, so that those of another version are computed again.
    """

    look: Callable[[Seen], xr.Dataset]
    group: int = 1
    reads_taps: bool = False
    several_groups: bool = False
    version: int = 1


ANALYSES: dict[str, Analysis] = {
    "attention": Analysis(attention),
    "heads": Analysis(heads, GRAM, version=2),
    "receptive_fields": Analysis(fields, GROUP, reads_taps=True, several_groups=True, version=2),
    "residuals": Analysis(skips),
    "localization": Analysis(localization, GRAM, reads_taps=True, version=2),
    "ablation": Analysis(ablation, GRAM, reads_taps=True),
}
