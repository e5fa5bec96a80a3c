"""A ViT block without its skip connections (Raghu et al. 2021, figure 8)."""

from typing import Any

from timm.models.vision_transformer import Block
from torch import Tensor, nn

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.network import Network


class SkipFreeBlock(nn.Module):
    """A pre-norm block whose two sums are their branches alone: attention, then the MLP.

    Made of the parts of ``block``, under the same names: the weights of one fit the other.

    Raises:
        TypeError: For a block that is not timm's own ``Block``.
    """

    norm1: nn.Module
    attn: nn.Module
    ls1: nn.Module
    drop_path1: nn.Module
    norm2: nn.Module
    mlp: nn.Module
    ls2: nn.Module
    drop_path2: nn.Module

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        if type(block) is not Block:
            raise TypeError(f"expected a Block of timm's ViT, got a {type(block).__name__}")
        for name, part in block.named_children():
            self.add_module(name, part)

    def forward(self, x: Tensor, **masks: Any) -> Tensor:
        """Map tokens (n, tokens, channels) to tokens; ``masks`` go to the attention."""
        x = self.drop_path1(self.ls1(self.attn(self.norm1(x), **masks)))
        branch: Tensor = self.drop_path2(self.ls2(self.mlp(self.norm2(x))))
        return branch


def without_skips(network: nn.Module, block: int) -> None:
    """Replace ``network.blocks[block]`` by a ``SkipFreeBlock``.

    Raises:
        AnalysisError: For a network without such a block.
    """
    blocks = getattr(network, "blocks", None)
    count = len(blocks) if isinstance(blocks, nn.Sequential) else 0
    known = isinstance(block, int) and 0 <= block < count
    if blocks is None or not known or type(blocks[block]) is not Block:
        raise AnalysisError(
            f"skip_free is {block!r}, expected a block of timm's ViT: this network has "
            f"{f'blocks 0 to {count - 1}' if count else 'none'}"
        )
    blocks[block] = SkipFreeBlock(blocks[block])


def skip_free(network: Network) -> int | None:
    """Number of the block without skip connections; None where all blocks have them."""
    blocks = getattr(network.module, "blocks", ())
    return next((i for i, each in enumerate(blocks) if isinstance(each, SkipFreeBlock)), None)
