"""Ablation: predictions and CKA of a network without the skip connections of one block."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.anatomy.ablation import without_skip
from seelike.analysis.networks.anatomy.blocks_without_skips import blocks_left_out
from seelike.analysis.networks.anatomy.residuals import Residual, residuals
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.recording.recording import summarise
from seelike.analysis.similarity import Jackknifed, jackknifed, signature
from seelike.tasks.anatomy.context import (
    BATCH,
    SMALLEST_BATCH,
    AnalysisInput,
    MissingPart,
    looking_for_parts,
)
from seelike.tasks.planning.survey import chosen_taps

INTACT = "intact"


def ablation(inputs: AnalysisInput) -> xr.Dataset:
    """Remove the skip connections of each block in turn, and compare with the intact network.

    Returns:
        A dataset over ``network``, the intact one first, then one per block, and ``pair``, a block
        and a tap of the study:

        - ``agreement`` (network), 0 to 1: images whose predicted class stays;
        - ``accuracy`` (network), 0 to 1, where images have labels among the network's classes;
        - ``cka`` (pair): of the tap without the block's skips with the same tap intact.

    Raises:
        MissingPart: For a network without skips, and where nothing is left to compare.
        AnalysisError: For a tap that is constant over a batch.
    """
    with looking_for_parts():
        sums = residuals(inputs.network)
    blocks = _by_block(sums)
    taps = chosen_taps(inputs.network, inputs.subject)
    predicted: list[list[np.ndarray]] = []
    parts = []
    for batch in inputs.batches(size=BATCH, at_least=SMALLEST_BATCH):
        logits, intact = _pass(inputs, taps, batch)
        each = [logits]
        rows = []
        for block, of_block in blocks.items():
            with ExitStack() as removed:
                for one in of_block:
                    removed.enter_context(without_skip(inputs.network, one))
                logits, without = _pass(inputs, taps, batch)
            each.append(logits)
            rows.append([_products(inputs, tap, intact, without, block) for tap in taps])
        predicted.append(each)
        parts.append(np.array(rows))
    classes = predicted[0][0].shape[1]
    answers = np.concatenate([[one.argmax(1) for one in each] for each in predicted], axis=1)
    dataset = xr.Dataset(
        coords={
            "block": ("network", [INTACT, *blocks]),
            "without": ("pair", [block for block in blocks for _ in taps]),
            "tap": ("pair", [tap.name for _ in blocks for tap in taps]),
            "depth": ("pair", [tap.depth for _ in blocks for tap in taps]),
        },
        attrs={"images_a_gram": BATCH, "left_out": blocks_left_out(inputs.network, sums)},
    )
    sizes = [len(one[0]) for one in predicted]
    shares = partial(_shares, sizes=sizes)
    shares(answers == answers[0]).enter(dataset, "agreement", "network")
    labels = inputs.images.labels
    if labels is not None and max(labels) < classes:
        right = answers == np.array(labels[: inputs.count])
        shares(right).enter(dataset, "accuracy", "network")
    _cka(np.array(parts), sizes=sizes).enter(dataset, "cka", "pair")
    return dataset


def _by_block(sums: Sequence[Residual]) -> dict[str, list[Residual]]:
    blocks: dict[str, list[Residual]] = {}
    for one in sums:
        blocks.setdefault(one.block, []).append(one)
    return blocks


def _pass(
    inputs: AnalysisInput, taps: Sequence[Tap], batch: Tensor
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Run a batch; return the logits (n, classes) and the signature of every tap."""
    out: list[Tensor] = []
    handle = inputs.network.module.register_forward_hook(lambda _, __, put_out: out.append(put_out))
    try:
        made = summarise(
            inputs.network,
            taps,
            [inputs.pieces(batch)],
            summary=lambda _, x: signature(x.cpu().numpy()),
        )
        signatures = next(made)
    finally:
        handle.remove()
    return torch.cat(out).float().cpu().numpy(), signatures


def _products(
    inputs: AnalysisInput,
    tap: Tap,
    intact: dict[str, np.ndarray],
    without: dict[str, np.ndarray],
    block: str,
) -> tuple[float, float, float]:
    """Compute the HSIC of a tap between both networks, and of each with itself."""
    a, b = intact[tap.name], without[tap.name]
    own = float(a @ a), float(b @ b)
    where = f"tap {tap.name!r} of {inputs.subject.name}"
    if own[0] <= 0:
        raise AnalysisError(
            f"{where} is constant over a batch of images, so that it has no CKA; leave it out of "
            "the study's taps"
        )
    if own[1] <= 0:
        # Such as an untrained ResNet of timm, whose branches start at zero.
        raise MissingPart(
            f"without the skips of {block} {where} is constant over the images, since the branch "
            "is: there is nothing to compare"
        )
    return float(a @ b), *own


def _shares(found: np.ndarray, *, sizes: Sequence[int]) -> Jackknifed:
    """Shares of images (networks,) where ``found`` (networks, images) holds, by batches."""
    ends = np.cumsum(sizes)[:-1]
    means = [batch.mean(axis=1) for batch in np.split(found.astype(float), ends, axis=1)]
    return jackknifed(np.stack(means), images=sizes)


def _cka(parts: np.ndarray, *, sizes: Sequence[int]) -> Jackknifed:
    """CKA (blocks * taps,) of HSICs (batches, blocks, taps, 3): sums, then the ratio."""

    def ratios(means: np.ndarray) -> np.ndarray:
        both, first, second = np.moveaxis(means.reshape(len(means), -1, 3), -1, 0)
        cka: np.ndarray = both / np.sqrt(first * second)
        return cka

    return jackknifed(parts.reshape(len(parts), -1), ratios, images=sizes)
