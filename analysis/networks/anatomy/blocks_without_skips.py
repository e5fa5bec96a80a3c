"""Blocks that an analysis of skip connections leaves out, and why."""

from collections.abc import Sequence

from seelike.analysis.networks.anatomy.residuals import Residual
from seelike.analysis.networks.layers.tap_sets import units
from seelike.analysis.networks.loading.skip_free import SkipFreeBlock
from seelike.analysis.networks.network import Network


def blocks_left_out(network: Network, sums: Sequence[Residual]) -> dict[str, str]:
    """Find the blocks of a network that have none of its residual sums.

    Args:
        network: The network.
        sums: Its residual sums, from ``residuals``.

    Returns:
        The reason by the name of each block.
    """
    known = {one.block for one in sums}
    blocks = {
        name: network.module.get_submodule(name)
        for name in units(network.module)
        if not any(block == name or block.startswith(f"{name}.") for block in known)
    }
    return {
        name: "it was built without skip connections"
        if isinstance(block, SkipFreeBlock)
        else f"the residual sums of a {type(block).__name__} are not known"
        for name, block in blocks.items()
    }
