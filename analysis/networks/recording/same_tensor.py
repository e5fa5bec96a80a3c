"""Taps with the same numbers in the same memory under different names."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import checked, hooked


def same_tensor(network: Network, taps: Sequence[Tap], images: Tensor) -> dict[str, str]:
    """Find taps that repeat another one, as an attention does whose DropPath passes it on.

    Runs one forward pass, and keeps the activations of all taps while it runs.

    Args:
        network: The network.
        taps: The taps, those whose names are preferred first.
        images: Transformed images (n, c, h, w); one is enough.

    Returns:
        By the name of each tap the name of the first of ``taps`` that gives the very same tensor,
        or a view of all of it, unchanged between both: its own where it repeats none.

    Raises:
        AnalysisError: Where a pass does not go through every tap as when it was found.
    """
    tensors: dict[str, Tensor] = {}
    written: dict[str, int] = {}

    def note(tap: Tap, live: Tensor) -> None:
        # Torch counts what is written into a tensor in place.
        tensors[tap.name], written[tap.name] = live, live._version

    # Not in inference mode, in which nothing is counted.
    with torch.inference_mode(False), torch.no_grad(), hooked(network, taps, note):
        network.module(network.placed(checked(images, network)).clone())
    # A view of all of a tensor, such as its transpose, has the same numbers.
    keys = {name: (live.data_ptr(), live.numel(), written[name]) for name, live in tensors.items()}
    first: dict[tuple[int, int, int], str] = {}
    return {tap.name: first.setdefault(keys[tap.name], tap.name) for tap in taps}
