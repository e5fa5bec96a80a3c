"""Signatures of the heads of one attention, or of the lowest units of a ResNet (E4)."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from torch import Tensor

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.anatomy.attention import mean_distance
from seelike.analysis.networks.anatomy.attention_maps import (
    AttentionBlock,
    attention_blocks,
    head_outputs,
)
from seelike.analysis.networks.anatomy.attention_maps import heads as watching
from seelike.analysis.networks.anatomy.residuals import residuals
from seelike.analysis.networks.layers.tap import taps
from seelike.analysis.networks.recording.recording import record
from seelike.analysis.similarity.parts.localization import Signatures, signatures
from seelike.tasks.anatomy.context import (
    BATCH,
    SMALLEST_BATCH,
    AnalysisInput,
    MissingPart,
    PartOutOfRange,
    looking_for_parts,
)
from seelike.tasks.recording.activation_errors import in_batch, in_layer
from seelike.tasks.runtime.threads import one_blas_thread

# Residual units of a ResNet: the heads of a first block are beside its lowest ones.
LOWEST = 4
HEADS, UNITS = "heads", "units"


def heads(inputs: AnalysisInput) -> xr.Dataset:
    """Compute signatures of a transformer's heads, or of a ResNet's lowest residual units.

    Returns:
        A dataset over ``part``, a head's output or a unit:

        - ``direction`` (batch, part, pair), of unit length, and its ``length`` (batch, part);
        - ``distance`` (batch, part), of heads: mean attention distance in pixels.

    Raises:
        MissingPart: For a network with neither.
        PartOutOfRange: For an attention that the study chose and the network lacks.
    """
    with looking_for_parts():
        block = _attention(inputs)
        if block is not None:
            head_outputs(inputs.network, block, ())  # Refuses heads that cannot be separated.
    return (
        _unit_signatures(inputs, _units(inputs))
        if block is None
        else _head_signatures(inputs, block)
    )


def _attention(inputs: AnalysisInput) -> AttentionBlock | None:
    """Return the chosen attention; None for a ResNet, which has none."""
    try:
        blocks = attention_blocks(inputs.network)
    except AnalysisError as error:
        try:
            _units(inputs)
        except AnalysisError:
            raise MissingPart(f"{error}; nor has it the residual units of a ResNet") from error
        return None
    number = inputs.chosen.head_block
    if number >= len(blocks):
        raise PartOutOfRange(
            f"attention {number} of {inputs.subject.name} is out of range, it has 0 to "
            f"{len(blocks) - 1}; set head_block to one of these"
        )
    return blocks[number]


def _units(inputs: AnalysisInput) -> tuple[str, ...]:
    found = [one.block for one in residuals(inputs.network) if one.kind == "unit"]
    if not found:
        raise AnalysisError(f"{inputs.subject.name} has no residual units")
    return tuple(dict.fromkeys(found))[:LOWEST]


def _head_signatures(inputs: AnalysisInput, block: AttentionBlock) -> xr.Dataset:
    distances: list[Tensor] = []

    def receive(_: AttentionBlock, attention: Tensor) -> None:
        found = mean_distance(attention, grid=block.grid, patch=block.patch, prefix=block.prefix)
        distances.append(found.cpu())

    means, per_batch, start = [], [], 0
    batches = map(inputs.pieces, inputs.batches(size=BATCH, at_least=SMALLEST_BATCH))
    outputs = head_outputs(inputs.network, block, batches)
    with one_blas_thread(), watching(inputs.network, [block], receive):
        for x in outputs:  # (images, tokens, heads, head_dim)
            with in_batch(inputs.subject.name, start), in_layer(block.module):
                per_batch.append(
                    signatures(x.transpose(0, 2, 1, 3).reshape(len(x), block.heads, -1))
                )
            means.append(np.concatenate([each.numpy() for each in distances]).mean(axis=0))
            distances.clear()
            start += len(x)
    dataset = _dataset(per_batch, [f"head {head}" for head in range(block.heads)], kind=HEADS)
    dataset["distance"] = (("batch", "part"), np.stack(means))
    return dataset.assign_attrs(block=block.module, heads=block.heads, unit="pixels")


def _unit_signatures(inputs: AnalysisInput, units: Sequence[str]) -> xr.Dataset:
    chosen = taps(inputs.network, list(units))
    batches = map(inputs.pieces, inputs.batches(size=BATCH, at_least=SMALLEST_BATCH))
    per_batch: list[Signatures] = []
    start = 0
    with one_blas_thread():
        for made in record(inputs.network, chosen, batches):
            with in_batch(inputs.subject.name, start):
                each = [_signed(name, x) for name, x in made.items()]
            directions, lengths = (
                np.concatenate([getattr(one, name) for one in each])
                for name in ("directions", "lengths")
            )
            per_batch.append(Signatures(directions, lengths))
            start += len(next(iter(made.values())))
    return _dataset(per_batch, [tap.name for tap in chosen], kind=UNITS)


def _signed(name: str, x: np.ndarray) -> Signatures:
    with in_layer(name):
        return signatures(x.reshape(len(x), 1, -1))


def _images(batch: Signatures) -> int:
    """Return the images of a batch from its number of pairs."""
    pairs = batch.directions.shape[1]
    return int((2 * pairs) ** 0.5 + 1)


def _dataset(per_batch: Sequence[Signatures], names: Sequence[str], *, kind: str) -> xr.Dataset:
    """Stack the batches; pairs of a shorter one are filled with zeros."""
    pairs = max(one.directions.shape[1] for one in per_batch)
    filled = [
        np.pad(one.directions, ((0, 0), (0, pairs - one.directions.shape[1]))) for one in per_batch
    ]
    return xr.Dataset(
        {
            "direction": (("batch", "part", "pair"), np.stack(filled)),
            "length": (("batch", "part"), np.stack([one.lengths for one in per_batch])),
        },
        {"part": list(names), "batch_images": ("batch", [_images(one) for one in per_batch])},
        {"kind": kind, "images_a_gram": BATCH},
    )
