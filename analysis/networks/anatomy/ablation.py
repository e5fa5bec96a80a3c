"""Ablation at inference: a trained network without the skip of one residual sum."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.anatomy.residuals import Residual
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import hooked


@contextmanager
def without_skip(network: Network, residual: Residual) -> Iterator[None]:
    """Remove the skip of one residual sum while the context lasts: the sum is its branch alone.

    Everything after the sum sees the change; skip and branch themselves can still be recorded.
    Contexts nest in any order. Enter them before you set hooks of your own, and run the whole
    network.

    Args:
        network: The network; its weights stay.
        residual: One of its residual sums, from ``residuals``.

    Raises:
        AnalysisError: For a residual sum of another network.
    """
    parts = dict(network.module.named_modules())
    needed = (residual.block, *(t.module for t in (residual.skip, residual.branch, residual.sum)))
    if any(name not in parts for name in needed):
        raise AnalysisError(
            f"{network.name} has no residual sum {residual.name!r}; residuals(network) lists its "
            f"residual sums"
        )
    if residual.kind in ("attention", "tokens"):
        # This sum stays inside the block, out of reach; but with zeros for x, x + branch is
        # the branch alone, as long as the branch itself reads the true x.
        with _without_input(parts[residual.block], reader=parts[residual.skip.module]):
            yield
        return
    branch: list[Tensor] = []

    def keep(_: Tap, x: Tensor) -> None:
        branch[:] = [x.clone()]  # ResNets add in place.

    receiver = parts[residual.sum.module]
    if residual.sum.side == "output":
        handle = receiver.register_forward_hook(lambda *_: branch.pop())
    else:
        handle = receiver.register_forward_pre_hook(lambda *_: (branch.pop(),))
    try:
        with hooked(network, [residual.branch], keep):
            yield
    finally:
        handle.remove()


@contextmanager
def _without_input(block: nn.Module, *, reader: nn.Module) -> Iterator[None]:
    """Let ``block`` compute on zeros, and ``reader`` inside it on the block's true input."""
    run, given = block.forward, list[Tensor]()

    def forward(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        given[:] = [x]
        return run(torch.zeros_like(x), *args, **kwargs)

    # Not a hook on the block: others that read its input would see the zeros.
    attributes = vars(block)
    earlier = {"forward": attributes["forward"]} if "forward" in attributes else {}
    handle = reader.register_forward_pre_hook(lambda _, args: (given.pop(), *args[1:]))
    attributes["forward"] = forward
    try:
        yield
    finally:
        handle.remove()
        del attributes["forward"]
        attributes.update(earlier)
