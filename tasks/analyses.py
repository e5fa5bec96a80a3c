"""The analyses of an anatomy: a network and images in, a labelled dataset of numbers out.

Every number stands beside its interval over images (``_low``, ``_high``) and its resamples
(``_drawn``), of which a report makes the intervals of what it computes from them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import AnalysisError
from analysis.networks.attention import attention_distance, uniform_distance
from analysis.networks.attention_maps import attention_blocks
from analysis.networks.field_numbers import by_distance, centre_share, radius_within
from analysis.networks.receptive_fields import centre_patch, receptive_fields_by_batch
from analysis.networks.residuals import residual_norms, residuals
from analysis.networks.tap import Tap
from analysis.networks.unsummed import passed_over
from analysis.similarity import Resampled, resampled
from tasks.ablated import ablation
from tasks.heads import heads
from tasks.localized import localization
from tasks.seen import GRAM, GROUP, Seen, finding, put, usable
from tasks.survey import chosen_taps


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
        put(dataset, name, "head", resampled(distances.T))
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
        put(dataset, name, "sum", resampled(each.T))
    return dataset


def fields(seen: Seen) -> xr.Dataset:
    """Effective receptive fields over ``layer``, and of each three numbers.

    ``field`` (layer, y, x) of sum 1; ``centre_share`` of it in the centre patch, and the radius
    in pixels that holds half of it and 95 % (``radius_50``, ``radius_95``). Of each residual sum
    both sides: ``role`` tells whether a tap is ``before`` the sum (the branch), ``after`` it, or
    another ``layer`` that the study taps.
    """
    with finding():
        sides = _sides(seen)
        taps, why_not = usable(
            [side.tap for side in sides],
            lambda some: receptive_fields_by_batch(seen.network, some, [seen.few()]),
        )
    groups = map(seen.pieces, seen.batches(size=GROUP))
    parts = receptive_fields_by_batch(seen.network, taps, groups)
    kept = [side for side in sides if side.tap in taps]
    patches = [centre_patch(seen.network, tap) for tap in taps]
    dataset = xr.Dataset(
        {
            "field": (("layer", "y", "x"), parts.sum(axis=0)),
            "patch": (("layer", "edge"), [[p.top, p.left, p.height, p.width] for p in patches]),
        },
        {
            "tap": ("layer", [side.tap.name for side in kept]),
            "role": ("layer", [side.role for side in kept]),
            "kind": ("layer", [side.kind for side in kept]),
            "block": ("layer", [side.block for side in kept]),
            "depth": ("layer", [side.tap.depth for side in kept]),
            "edge": ["top", "left", "height", "width"],
        },
        {"left_out": why_not, "unit": "pixels", "images_a_group": GROUP},
    )
    numbers = []
    for at, patch in enumerate(patches):
        of_groups = parts[:, at]
        inside = [centre_share(field, patch) * field.sum() for field in of_groups]
        distances, held = by_distance(of_groups, patch)
        numbers.append(resampled(np.column_stack([inside, held]), _described(distances)))
    for at, name in enumerate(("centre_share", "radius_50", "radius_95")):
        drawn = [one.drawn[:, at] for one in numbers if one.drawn is not None]
        value = np.array([one.value[at] for one in numbers])
        put(dataset, name, "layer", Resampled(value, np.stack(drawn, 1) if drawn else None))
    return dataset


@dataclass(frozen=True)
class Analysis:
    """How a network is looked into.

    ``group`` images are resampled together, and go through the network at a time. Where it
    ``reads_taps`` it looks at those of the study.
    """

    look: Callable[[Seen], xr.Dataset]
    group: int = 1
    reads_taps: bool = False


ANALYSES: dict[str, Analysis] = {
    "attention": Analysis(attention),
    "heads": Analysis(heads, GRAM),
    "receptive_fields": Analysis(fields, GROUP, reads_taps=True),
    "residuals": Analysis(skips),
    "localization": Analysis(localization, GRAM, reads_taps=True),
    "ablation": Analysis(ablation, GRAM, reads_taps=True),
}


def _described(distances: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """What makes of (n, 1 + distances) the share in the centre and both radii: (n, 3)."""

    def numbers(means: np.ndarray) -> np.ndarray:
        inside, held = means[:, 0], means[:, 1:]
        radii = [radius_within(distances, held, share=share) for share in (0.5, 0.95)]
        return np.column_stack([inside / held.sum(axis=1), *radii])

    return numbers


@dataclass(frozen=True)
class _Side:
    """A tap before or after a residual sum, and which; or another layer."""

    tap: Tap
    role: str = "layer"
    kind: str = ""
    block: str = ""


def _sides(seen: Seen) -> list[_Side]:
    """Both sides of all residual sums and the layers that the study taps, as they fire."""
    found: dict[str, _Side] = {}
    try:
        for one in residuals(seen.network):
            found[one.branch.name] = _Side(one.branch, "before", one.kind, one.block)
            found[one.sum.name] = _Side(one.sum, "after", one.kind, one.block)
    except AnalysisError:
        pass  # No residual sums that are known: the layers that the study taps are enough.
    for tap in chosen_taps(seen.network, seen.subject):
        found.setdefault(tap.name, _Side(tap))
    return sorted(found.values(), key=lambda side: side.tap.depth)
