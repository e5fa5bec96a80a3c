"""The heads of one attention, or the lowest units of a ResNet, as signatures to be compared."""

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
    GRAM,
    LEAST,
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
    """What a ViT and a ResNet give to be compared: signatures over ``part``.

    Of a transformer the heads of one attention, the first if none is chosen, what each puts out
    as a layer, with ``distance`` (batch, part), their mean attention distance in pixels; of a
    ResNet its lowest residual units. ``direction`` (batch, part, pair) is of unit length,
    ``length`` (batch, part) what it was.
    """
    with looking_for_parts():
        block = _attention(inputs)
        if block is not None:
            head_outputs(inputs.network, block, ())  # Refuses heads that can't be told apart.
    return _of_units(inputs, _units(inputs)) if block is None else _of_heads(inputs, block)


def _attention(inputs: AnalysisInput) -> AttentionBlock | None:
    """The attention chosen; None of a ResNet, which has none."""
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


def _of_heads(inputs: AnalysisInput, block: AttentionBlock) -> xr.Dataset:
    distances: list[Tensor] = []

    def receive(_: AttentionBlock, attention: Tensor) -> None:
        found = mean_distance(attention, grid=block.grid, patch=block.patch, prefix=block.prefix)
        distances.append(found.cpu())

    means, signed, start = [], [], 0
    batches = map(inputs.pieces, inputs.batches(size=GRAM, at_least=LEAST))
    outputs = head_outputs(inputs.network, block, batches)
    with one_blas_thread(), watching(inputs.network, [block], receive):
        for x in outputs:  # (images, tokens, heads, head_dim)
            with in_batch(inputs.subject.name, start), in_layer(block.module):
                signed.append(signatures(x.transpose(0, 2, 1, 3).reshape(len(x), block.heads, -1)))
            means.append(np.concatenate([each.numpy() for each in distances]).mean(axis=0))
            distances.clear()
            start += len(x)
    dataset = _dataset(signed, [f"head {head}" for head in range(block.heads)], kind=HEADS)
    dataset["distance"] = (("batch", "part"), np.stack(means))
    return dataset.assign_attrs(block=block.module, heads=block.heads, unit="pixels")


def _of_units(inputs: AnalysisInput, units: Sequence[str]) -> xr.Dataset:
    chosen = taps(inputs.network, list(units))
    batches = map(inputs.pieces, inputs.batches(size=GRAM, at_least=LEAST))
    signed: list[Signatures] = []
    start = 0
    with one_blas_thread():
        for made in record(inputs.network, chosen, batches):
            with in_batch(inputs.subject.name, start):
                each = [_signed(name, x) for name, x in made.items()]
            directions, lengths = (
                np.concatenate([getattr(one, name) for one in each])
                for name in ("directions", "lengths")
            )
            signed.append(Signatures(directions, lengths))
            start += len(next(iter(made.values())))
    return _dataset(signed, [tap.name for tap in chosen], kind=UNITS)


def _signed(name: str, x: np.ndarray) -> Signatures:
    with in_layer(name):
        return signatures(x.reshape(len(x), 1, -1))


def _images(signed: Signatures) -> int:
    """How many images the pairs of a batch are of."""
    pairs = signed.directions.shape[1]
    return int((2 * pairs) ** 0.5 + 1)


def _dataset(signed: Sequence[Signatures], names: Sequence[str], *, kind: str) -> xr.Dataset:
    """Batches one upon the other; the pairs of a short one are filled with zeros."""
    pairs = max(one.directions.shape[1] for one in signed)
    filled = [
        np.pad(one.directions, ((0, 0), (0, pairs - one.directions.shape[1]))) for one in signed
    ]
    return xr.Dataset(
        {
            "direction": (("batch", "part", "pair"), np.stack(filled)),
            "length": (("batch", "part"), np.stack([one.lengths for one in signed])),
        },
        {"part": list(names), "batch_images": ("batch", [_images(one) for one in signed])},
        {"kind": kind, "images_a_gram": GRAM},
    )
