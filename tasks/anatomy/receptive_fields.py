"""Effective receptive fields (E5): before and after every residual sum, and of all sublayers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.anatomy.channel_sample import ChannelSample, channel_count
from seelike.analysis.networks.anatomy.field_numbers import (
    Patch,
    at_edge,
    by_distance,
    radius_within,
    uniform_radius,
    within,
)
from seelike.analysis.networks.anatomy.receptive_fields import (
    centre_patch,
    gradient_sums,
    normalised,
)
from seelike.analysis.networks.anatomy.residuals import residuals
from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.recording.same_tensor import same_tensor
from seelike.analysis.similarity.intervals.jackknife import Jackknifed, concatenate, jackknifed
from seelike.tasks.anatomy.context import GROUP, AnalysisInput, looking_for_parts, measurable
from seelike.tasks.planning.survey import chosen_taps

Array = npt.NDArray[np.float64]
SAMPLE = ChannelSample(group=GROUP)
# The share of a field that each radius holds.
RADII = {"radius_50": 0.5, "radius_95": 0.95}
# Activations of a forward pass, whose graph is kept: more images per pass are no faster beyond.
GRAPH_BYTES = 2**31


def fields(inputs: AnalysisInput) -> xr.Dataset:
    """Compute effective receptive fields over ``layer``, and three numbers of each.

    Gradients are averaged over the channels of a layer: all of them where they are at most 32,
    else a random sample of 8 per image, 32 per group of four images (``ChannelSample``).

    Args:
        inputs: The network and its images.

    Returns:
        A dataset over ``layer``, in firing order:

        - ``field`` (layer, y, x), of sum 1;
        - ``centre_share``, 0 to 1: the part of it in the centre patch, ``patch`` (layer, edge);
        - ``radius_50``, ``radius_95``: radii in pixels that hold half of it and 95 %; beside each
          ``_uniform``, the radius if all pixels counted alike, and ``_at_edge``, whether it is
          near that one, so that the image limits it;
        - ``channels`` of the layer, and ``channels_per_image``, those computed;
        - coordinates ``tap``, ``depth``, ``block``; ``role``: ``before`` a residual sum (the
          branch), ``after`` it, or another ``layer``; ``kind``: of the branch for the first two,
          else the place inside the block such as ``norm1``, empty outside of blocks.

    Raises:
        AnalysisError: Where no layer has a receptive field.
    """
    with looking_for_parts():
        layers = {layer.tap.name: layer for layer in _layers(inputs)}
        tried = ChannelSample(channels=1, group=1)
        few = [inputs.pieces(inputs.first_images())]
        chosen, why_not = measurable(
            [layer.tap for layer in layers.values()],
            lambda some: list(gradient_sums(inputs.network, some, few, sample=tried)),
        )
    found = field_amounts(inputs, chosen)

    def check(some: Sequence[Tap]) -> None:
        normalised(inputs.network, some, np.stack([found[tap.name].total for tap in some]))
        for tap in some:
            found[tap.name].check_groups(inputs, tap)

    kept, no_gradient = measurable(chosen, check)
    dataset = _dataset(
        inputs, [layers[tap.name] for tap in kept], [found[tap.name] for tap in kept]
    )
    dataset.attrs["left_out"] = why_not | no_gradient
    return dataset


@dataclass(frozen=True)
class _Layer:
    """A tap before or after a residual sum, and which; or another layer."""

    tap: Tap
    role: str = "layer"
    kind: str = ""
    block: str = ""


def _layers(inputs: AnalysisInput) -> list[_Layer]:
    """List both sides of all residual sums, all sublayers and the study's taps, in firing order.

    Sublayers with the same tensor as another, as where the attention is the branch, are left out.
    """
    found: dict[str, _Layer] = {}
    try:
        for one in residuals(inputs.network):
            found[one.branch.name] = _Layer(one.branch, "before", one.kind, one.block)
            found[one.sum.name] = _Layer(one.sum, "after", one.kind, one.block)
    except AnalysisError:
        pass  # No residual sums that are known: the other layers are enough.
    blocks = {layer.block for layer in found.values()}
    own, sublayers = chosen_taps(inputs.network, inputs.subject), _sublayers(inputs)
    known = {tap.name: tap for tap in (*(layer.tap for layer in found.values()), *own)}
    each = list((known | {tap.name: tap for tap in sublayers}).values())
    first = same_tensor(inputs.network, each, inputs.first_images()[:1])
    for tap in each:
        if tap.name in known or first[tap.name] == tap.name:
            block = next((block for block in blocks if tap.name.startswith(f"{block}.")), "")
            kind = tap.name.removeprefix(f"{block}.") if block else ""
            found.setdefault(tap.name, _Layer(tap, kind=kind, block=block))
    return sorted(found.values(), key=lambda layer: layer.tap.depth)


def _sublayers(inputs: AnalysisInput) -> tuple[Tap, ...]:
    """List the layers that the paper records inside blocks; none where blocks are unknown."""
    try:
        return taps(inputs.network, "paper")
    except AnalysisError:
        return ()


@dataclass(frozen=True)
class FieldAmounts:
    """Gradients of one tap summed over images (height, width), and amounts of each group.

    ``held`` (group, 1 + distances): in the centre patch, then at each of ``distances`` from its
    middle.
    """

    patch: Patch
    total: Array
    distances: Array
    held: Array

    def check_groups(self, inputs: AnalysisInput, tap: Tap) -> None:
        """Refuse gradients of one group alone: without it there would be no field at all."""
        some = int(self.held[:, 1:].any(axis=1).sum())
        if some == 1 < len(self.held):
            raise AnalysisError(
                f"tap {tap.name!r} of {inputs.network.name} has a gradient of zero at its centre "
                f"for all images but one group of {GROUP}, expected at least two groups with one; "
                "leave it out or take more images"
            )

    def numbers(self, images: Array) -> Jackknifed:
        """Compute centre share and radii, from groups of ``images`` (group,)."""

        def described(means: Array) -> Array:
            inside, held = means[:, 0], means[:, 1:]
            radii = [radius_within(self.distances, held, share=share) for share in RADII.values()]
            return np.column_stack([inside / held.sum(axis=1), *radii])

        return jackknifed(self.held / images[:, None], described, images=images)


def field_amounts(inputs: AnalysisInput, chosen: Sequence[Tap]) -> dict[str, FieldAmounts]:
    """Compute gradients of every tap with respect to all images, summed, and per group."""
    patches = [centre_patch(inputs.network, tap) for tap in chosen]
    total = np.zeros((len(chosen), *inputs.network.input_size[1:]))
    held: list[list[Array]] = [[] for _ in chosen]
    distances = [by_distance(total[:1], patch)[0] for patch in patches]
    batches = inputs.batches(size=_images_per_pass(inputs))
    for group in gradient_sums(inputs.network, chosen, batches, sample=SAMPLE):
        total += group
        for patch in dict.fromkeys(patches):
            mine = [place for place, other in enumerate(patches) if other == patch]
            amounts = [within(group[mine], patch)[:, None], by_distance(group[mine], patch)[1]]
            for place, amount in zip(mine, np.hstack(amounts), strict=True):
                held[place].append(amount)
    return {
        tap.name: FieldAmounts(patches[at], total[at], distances[at], np.stack(held[at]))
        for at, tap in enumerate(chosen)
    }


def _images_per_pass(inputs: AnalysisInput) -> int:
    """Images per backward pass: those of a forward pass, fewer where their graph is large."""
    bytes_per_image = sum(tap.bytes_per_image for tap in taps(inputs.network, "**"))
    return min(inputs.forward_batch, max(GROUP, GRAPH_BYTES // bytes_per_image))


def _dataset(
    inputs: AnalysisInput, layers: Sequence[_Layer], found: Sequence[FieldAmounts]
) -> xr.Dataset:
    count = [channel_count(layer.tap) for layer in layers]
    patches = [one.patch for one in found]
    dataset = xr.Dataset(
        {
            "field": (
                ("layer", "y", "x"),
                normalised(
                    inputs.network, [one.tap for one in layers], np.stack([f.total for f in found])
                ),
            ),
            "patch": (("layer", "edge"), [[p.top, p.left, p.height, p.width] for p in patches]),
            "channels": ("layer", count),
            "channels_per_image": ("layer", [SAMPLE.per_image(each) for each in count]),
        },
        {
            "tap": ("layer", [layer.tap.name for layer in layers]),
            "role": ("layer", [layer.role for layer in layers]),
            "kind": ("layer", [layer.kind for layer in layers]),
            "block": ("layer", [layer.block for layer in layers]),
            "depth": ("layer", [layer.tap.depth for layer in layers]),
            "edge": ["top", "left", "height", "width"],
        },
        {
            "unit": "pixels",
            "images_a_group": GROUP,
            "channel_sample": {
                "exact up to": SAMPLE.channels,
                "per image": -(-SAMPLE.channels // SAMPLE.group),
                "per group": SAMPLE.channels,
                "images per group": SAMPLE.group,
                "seed": SAMPLE.seed,
            },
        },
    )
    starts = range(0, inputs.count, GROUP)
    images = np.array([min(GROUP, inputs.count - start) for start in starts], np.float64)
    numbers = [one.numbers(images) for one in found]
    for at, name in enumerate(("centre_share", *RADII)):
        concatenate([each.at(slice(at, at + 1)) for each in numbers]).enter(dataset, name, "layer")
    size = inputs.network.input_size[1:]
    for name, share in RADII.items():
        uniform = {p: uniform_radius(size, p, share=share) for p in dict.fromkeys(patches)}
        dataset[f"{name}_uniform"] = ("layer", [uniform[patch] for patch in patches])
        edge = at_edge(dataset[name].values, dataset[f"{name}_uniform"].values)
        dataset[f"{name}_at_edge"] = ("layer", edge)
    return dataset
