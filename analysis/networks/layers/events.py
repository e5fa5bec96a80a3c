"""Events of one forward pass: inputs and outputs of modules, in firing order."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seelike.analysis.networks.network import Network
from seelike.analysis.networks.patterns import Side

# Two images: enough to tell an axis that counts images from one that counts something else.
IMAGES = 2


@dataclass(frozen=True)
class Event:
    """One module's input or output in a forward pass.

    Attributes:
        module: Dotted name of the module.
        side: Input or output.
        call: Number of the call of the module, from 0.
        shape: Shape of the first tensor in it, first axis included; None without a tensor of
            floating point.
    """

    module: str
    side: Side
    call: int
    shape: tuple[int, ...] | None

    @property
    def feature_shape(self) -> tuple[int, ...] | None:
        """Shape of one image's features; None where the first axis counts no images."""
        if self.shape is None or len(self.shape) < 2 or self.shape[0] != IMAGES:
            return None
        return self.shape[1:]


def events(network: Network) -> tuple[Event, ...]:
    """List all inputs and outputs of all modules in firing order, the network's own included.

    Runs one forward pass of two images of noise at the network's input size. The first event is the
    input of the network (module name ''), the last one its output.
    """
    fired: list[Event] = []
    calls: Counter[tuple[str, Side]] = Counter()

    def note(module: str, side: Side, value: object) -> None:
        call = calls[module, side]
        calls[module, side] += 1
        tensor = first_tensor(value)
        floating = tensor is not None and tensor.is_floating_point()
        shape = tuple(tensor.shape) if tensor is not None and floating else None
        fired.append(Event(module, side, call, shape))

    generator = torch.Generator().manual_seed(0)
    images = torch.randn((IMAGES, *network.input_size), generator=generator)
    handles = []
    try:
        for name, module in network.module.named_modules():
            handles += _watch(module, name, note)
        with torch.inference_mode():
            network.module(network.placed(images))
    finally:
        for handle in handles:
            handle.remove()
    return tuple(fired)


def _watch(module: nn.Module, name: str, note: Any) -> list[Any]:
    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        note(name, "input", (args, kwargs))

    def after(_: nn.Module, __: tuple[Any, ...], output: object) -> None:
        note(name, "output", output)

    return [
        module.register_forward_pre_hook(before, with_kwargs=True),
        module.register_forward_hook(after),
    ]


def first_tensor(value: object) -> Tensor | None:
    """Find the first tensor in ``value``: itself, or inside tuples, lists and mappings."""
    if isinstance(value, Tensor):
        return value
    members: Any = ()
    if isinstance(value, Mapping):
        members = value.values()
    elif isinstance(value, tuple | list):
        members = value
    return next((t for t in map(first_tensor, members) if t is not None), None)


def computes(module: nn.Module) -> bool:
    """Whether ``module`` does anything in evaluation: no identity, no kind of dropout."""
    idle = (nn.Identity, nn.modules.dropout._DropoutNd)
    return not isinstance(module, idle) and type(module).__name__ != "DropPath"
