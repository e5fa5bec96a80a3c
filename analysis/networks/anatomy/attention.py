"""Mean attention distance: how far every head attends, in pixels.

Raghu et al. (2021), figures 3 and 4, after Dosovitskiy et al. (2021), appendix D.7: the mean
over the patches i of sum_j A_ij * |position_i - position_j|. Class, distillation and register
tokens have no position: neither their rows nor their columns of A count. The rest of a row then
sums to less than one; the distance is given as it is (*plain*), and with the rows *renormalised*
to sum one, which is never less.
"""

from collections.abc import Iterable
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
# Half precision rounds each probability of a row by up to 0.2 %.
SUM_TOLERANCE = 0.01


@dataclass(frozen=True)
class AttentionDistances:
    """The mean attention distances of a network, in pixels of its input.

    Attributes:
        blocks: The attentions, in firing order.
        plain: One array (head, image) per block, float64: rows as they are.
        renormalised: The same with rows scaled to sum one. ``np.stack`` joins the arrays into
            (block, head, image) where all blocks have as many heads, as in every plain ViT.
    """

    blocks: tuple[AttentionBlock, ...]
    plain: tuple[Floats, ...]
    renormalised: tuple[Floats, ...]


def attention_distance(network: Network, batches: Iterable[Batch]) -> AttentionDistances:
    """Compute the mean attention distance of every head on every image.

    Each map is reduced inside the forward pass, so that beside the network memory holds one
    attention map of one forward batch. Fused attention is off meanwhile.

    Args:
        network: A transformer whose attention probabilities can be read.
        batches: Transformed images (n, c, h, w), as in ``record``.

    Returns:
        Distances in pixels, float64: per block (head, image).

    Raises:
        AnalysisError: For a network whose attention can't be read, for no images, for rows of
            attention that are no probabilities, and for a patch that attends to no patch; the
            message names the block.

    Source: Raghu et al. (2021), figures 3 and 4; Dosovitskiy et al. (2021), appendix D.7.

    Examples:
        ```python
        vit = load(ModelSpec("vit", timm="vit_small_patch16_224", pretrained=True))
        distances = attention_distance(vit, [images])
        np.stack(distances.plain).mean(axis=2)  # (block, head), pixels
        ```
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
    """Compute the mean attention distance of maps, with the rows as they are.

    Attention to the prefix counts as no distance.

    Args:
        attention: Probabilities (images, heads, queries, keys), float32, rows of sum one.
        grid: Rows and columns of patches, row by row behind the prefix.
        patch: Height and width of a patch, in pixels.
        prefix: How many queries and keys come before the patches: class and register tokens.

    Returns:
        Distances (images, heads) in pixels, float64.

    Raises:
        AnalysisError: For another number of tokens, and for rows that are no probabilities.
    """
    return _plain(_rows(attention, _weights(grid, patch, prefix), prefix=prefix))


def renormalised_distance(
    attention: Tensor, *, grid: tuple[int, int], patch: tuple[int, int], prefix: int
) -> Tensor:
    """Compute ``mean_distance`` with each patch's attention to patches scaled to sum one.

    Args:
        attention: As for ``mean_distance``, and so are the others.
        grid: Rows and columns of patches.
        patch: Height and width of a patch, in pixels.
        prefix: Tokens before the patches.

    Returns:
        Distances (images, heads) in pixels, float64.

    Raises:
        AnalysisError: As ``mean_distance``, and where a patch attends to no patch.
    """
    return _renormalised(_rows(attention, _weights(grid, patch, prefix), prefix=prefix))


def uniform_distance(grid: tuple[int, int], patch: tuple[int, int]) -> float:
    """Compute the mean distance in pixels of a head that attends to all patches alike.

    It is the expected distance of two patches drawn at random: the sum over offsets (y, x) of
    (H - |y|) (W - |x|) |(y, x) patch| / (H W)^2.
    """
    y = np.arange(1 - grid[0], grid[0])[:, None]
    x = np.arange(1 - grid[1], grid[1])[None, :]
    pairs = (grid[0] - np.abs(y)) * (grid[1] - np.abs(x))
    return float((pairs * np.hypot(y * patch[0], x * patch[1])).sum() / pairs.sum())


def _weights(grid: tuple[int, int], patch: tuple[int, int], prefix: int) -> Tensor:
    """Build (patches, 3, keys): a key's distance from each patch, whether it is a patch, and one.

    One product with the attention then gives all sums that the distances need.
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
    """Return (images, heads, patches, 2) float64: distance per patch, attention to patches."""
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
    """Join (images, heads) of each batch into (head, image)."""
    return np.ascontiguousarray(torch.cat(batches).numpy().T)
