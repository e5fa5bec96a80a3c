"""How far a network attends: the mean attention distance of every head, in pixels.

Raghu et al. (2021), figures 3 and 4, after Dosovitskiy et al. (2021), appendix D.7: the mean
over the patches i of sum_j A_ij * |position_i - position_j|. Class, distillation and register
tokens have no position: neither their rows nor their columns of A count. What is left of a row
then sums to less than one; the distance is given as it is, and with the rows *renormalised* to
sum one, which is never less.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.anatomy.attention_maps import AttentionBlock, attention_blocks, heads
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import Batch, record

Floats = npt.NDArray[np.float64]
# Half precision rounds each of a row's probabilities by up to 0.2 %.
SUM_TOLERANCE = 0.01


@dataclass(frozen=True)
class AttentionDistances:
    """The mean attention distances of a network, in pixels of its input.

    For each of ``blocks`` one array (head, image), float64, in ``plain`` and in
    ``renormalised``; ``np.stack`` makes one of (block, head, image) of them where all blocks
    have as many heads, as in every plain ViT.
    """

    blocks: tuple[AttentionBlock, ...]
    plain: tuple[Floats, ...]
    renormalised: tuple[Floats, ...]


def attention_distance(network: Network, batches: Iterable[Batch]) -> AttentionDistances:
    """The mean attention distance of every head of ``network`` on every image, in pixels.

    Batches of transformed images are as in ``record``. Each map is used up inside the forward
    pass, so that of one attention on one forward batch is all that is held beside the network.
    Fused attention is off meanwhile. Raises ``AnalysisError`` for a network whose attention
    can't be read, for no images, and as ``mean_distance`` and ``renormalised_distance`` do,
    naming the block.
    """
    blocks = attention_blocks(network)
    weights = {(b.grid, b.patch, b.prefix): _weights(b.grid, b.patch, b.prefix) for b in blocks}
    found: dict[str, list[tuple[Tensor, Tensor]]] = {block.module: [] for block in blocks}

    def reduce(block: AttentionBlock, attention: Tensor) -> None:
        key = block.grid, block.patch, block.prefix
        weights[key] = weights[key].to(attention.device)
        try:
            rows = _rows(attention, weights[key], prefix=block.prefix)
            # All windows of an image hold as many queries: the mean of their means is its mean.
            both = [
                x.reshape(-1, block.windows, block.heads).mean(1).cpu()
                for x in (_plain(rows), _renormalised(rows))
            ]
        except AnalysisError as error:
            raise AnalysisError(f"{block.module} of {network.name}: {error}") from error
        found[block.module].append((both[0], both[1]))

    with heads(network, blocks, reduce):
        for _ in record(network, (), batches):  # Records nothing, but checks the images and runs.
            pass
    if not all(found.values()):
        raise AnalysisError(f"no images for the attention distance of {network.name}; give some")
    plain, renormalised = (
        tuple(_joined([pair[which] for pair in found[b.module]]) for b in blocks)
        for which in (0, 1)
    )
    return AttentionDistances(blocks, plain, renormalised)


def mean_distance(
    attention: Tensor, *, grid: tuple[int, int], patch: tuple[int, int], prefix: int
) -> Tensor:
    """Mean attention distance in pixels: (images, heads), float64, the rows as they are.

    ``attention`` (images, heads, queries, keys), float32, has rows of sum one; the first
    ``prefix`` queries and keys are no patches, the others are a ``grid`` (height, width), row
    by row, of patches of ``patch`` (height, width) pixels. What goes to the prefix counts as
    no distance (PAPER.md, Formulas). Raises ``AnalysisError`` for another number of tokens and
    for rows that are no probabilities.
    """
    return _plain(_rows(attention, _weights(grid, patch, prefix), prefix=prefix))


def renormalised_distance(
    attention: Tensor, *, grid: tuple[int, int], patch: tuple[int, int], prefix: int
) -> Tensor:
    """``mean_distance`` with each patch's attention to patches scaled to sum one.

    Arguments are as there. Raises ``AnalysisError`` also where a patch attends to no patch.
    """
    return _renormalised(_rows(attention, _weights(grid, patch, prefix), prefix=prefix))


def uniform_distance(grid: tuple[int, int], patch: tuple[int, int]) -> float:
    """The mean distance in pixels of a head that attends to all patches alike.

    It is that of two patches drawn at random, sum over the offsets (y, x) of
    (H - |y|) (W - |x|) |(y, x) patch| / (H W)^2.
    """
    y = np.arange(1 - grid[0], grid[0])[:, None]
    x = np.arange(1 - grid[1], grid[1])[None, :]
    pairs = (grid[0] - np.abs(y)) * (grid[1] - np.abs(x))
    return float((pairs * np.hypot(y * patch[0], x * patch[1])).sum() / pairs.sum())


def local_to_global(distances: Floats) -> tuple[int, ...]:
    """The heads of one block, the nearest-sighted first; ``distances`` (head, image)."""
    return tuple(int(head) for head in np.argsort(distances.mean(axis=1), kind="stable"))


def subset_distance(distances: Floats, chosen: Sequence[int]) -> Floats:
    """The mean distance of the ``chosen`` heads of one block on each image: (image,), float64.

    ``distances`` (head, image) are those of the block. Raises ``AnalysisError`` for no heads,
    for a head that the block lacks and for one chosen twice.
    """
    count = len(distances)
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(count)):
        raise AnalysisError(
            f"heads {list(chosen)} of a block of {count} heads; choose at least one, each once, "
            f"from 0 to {count - 1}"
        )
    mean: Floats = distances[list(chosen)].mean(axis=0)
    return mean


def _weights(grid: tuple[int, int], patch: tuple[int, int], prefix: int) -> Tensor:
    """(patches, 3, keys): a key's distance from each patch, whether it is a patch, and one.

    Attention times this gives all that the distances are made of, in one product.
    """
    y, x = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    position = np.stack([y * patch[0], x * patch[1]], axis=1)
    offsets = position[:, None] - position[None]
    weights = np.zeros((len(y), 3, prefix + len(y)), np.float32)
    weights[:, 0, prefix:] = np.hypot(offsets[..., 0], offsets[..., 1])
    weights[:, 1, prefix:] = 1
    weights[:, 2] = 1
    return torch.from_numpy(weights)


def _rows(attention: Tensor, weights: Tensor, *, prefix: int) -> Tensor:
    """(images, heads, patches, 2) float64: each patch's distance, and its attention to patches."""
    tokens = weights.shape[-1]
    if attention.shape[2:] != (tokens, tokens):
        raise AnalysisError(
            f"attention of shape {tuple(attention.shape)}, expected (images, heads, {tokens}, "
            f"{tokens}) for a prefix of {prefix} and {tokens - prefix} patches"
        )
    rows = torch.einsum("nhik,ick->nhic", attention[:, :, prefix:], weights.to(attention)).double()
    sums = rows[..., 2]
    wrong = ~((sums - 1).abs() <= SUM_TOLERANCE)  # So written, NaN is wrong as well.
    if wrong.any():
        raise AnalysisError(
            f"a row of attention sums to {sums[wrong][0].item():g}, expected 1: these are no "
            f"probabilities (heads mixed after the softmax, as in CaiT, or values not finite)"
        )
    return rows[..., :2]


def _plain(rows: Tensor) -> Tensor:
    return rows[..., 0].mean(-1)


def _renormalised(rows: Tensor) -> Tensor:
    distance, share = rows.unbind(-1)
    if not share.all():
        image, head, patch = (share == 0).nonzero()[0].tolist()
        raise AnalysisError(
            f"patch {patch} of image {image} attends to no patch at all in head {head}, so its "
            f"row can't be renormalised; leave this image out, or load the network in float32"
        )
    return (distance / share).mean(-1)


def _joined(batches: list[Tensor]) -> Floats:
    """(head, image) from the (images, heads) of each batch."""
    return np.ascontiguousarray(torch.cat(batches).numpy().T)
