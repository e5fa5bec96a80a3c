"""A loaded network, and its identity."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn

from seelike.analysis.networks import devices


@dataclass
class Network:
    """A loaded network in evaluation mode, its parameters frozen.

    Attributes:
        name: The user's label for it.
        module: The network.
        input_size: Channels, height and width of its input.
        data_config: Settings of timm's evaluation transform: mean, std, interpolation, crop_pct,
            crop_mode.
        architecture: timm's name without a tag, or 'zoo/FAMILY'.
        arguments: Arguments that it was built with.
        configuration: Settings that timm derives from a tag, beside weights and preprocessing.
    """

    name: str
    module: nn.Module
    input_size: tuple[int, int, int]
    data_config: Mapping[str, Any]
    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.module.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """The device of its parameters."""
        parameter = next(self.module.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    def to(self, device: str) -> Self:
        """Move the network to 'cpu', 'cuda', 'cuda:1', ...; 'auto' is 'cuda' if there is one.

        Raises:
            AnalysisError: For a device that this machine lacks.
        """
        self.module.to(devices.device(device))
        return self

    def placed(self, images: Tensor) -> Tensor:
        """Move ``images`` to the network's device and to the dtype of its weights."""
        parameter = next(self.module.parameters(), images)
        return images.to(parameter.device, parameter.dtype)

    def identity(self) -> dict[str, Any]:
        """Describe everything that determines the activations on given inputs, writable as JSON.

        The name is no part of it. Reads all weights once: about one second per gigabyte.
        """
        return {
            "architecture": self.architecture,
            "arguments": dict(self.arguments),
            "configuration": dict(self.configuration),
            "weights": _digest(self.module),
        }


def _digest(module: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of all weights and buffers."""
    sha = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        sha.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()
