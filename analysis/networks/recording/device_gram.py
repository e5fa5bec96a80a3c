"""Grams computed on the device of the activations, so that only n x n numbers leave a GPU."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

# Numbers per block of features, each centred by itself: no second copy of a large map.
BLOCK = 2**26


@dataclass(frozen=True)
class DeviceGram:
    """The product of one batch's centred activations, on its way to main memory.

    Attributes:
        host: The product of activations that were multiplied by 2 to the power of minus
            ``exponent``, so that float32 holds their squares; to be read after ``ready``.
        exponent: The exponent.
        finite: Whether each image is finite.
        mean_energy: The energy of the mean, in the same scale.
        ready: The event after which ``host`` is complete; None on a CPU.
    """

    host: Tensor
    exponent: Tensor
    finite: Tensor
    mean_energy: Tensor
    ready: torch.cuda.Event | None

    def product(self) -> tuple[npt.NDArray[np.float64], float]:
        """Return product (n, n), float64, and energy of the mean, in the activations' scale."""
        self._wait()
        double = 2 * int(self.exponent)
        product = np.ldexp(self.host.numpy().astype(np.float64), double)
        return product, float(np.ldexp(float(self.mean_energy), double))

    def first_not_finite(self) -> int | None:
        """Index of the first image with NaN or infinity; None without one."""
        self._wait()
        bad = np.flatnonzero(~self.finite.cpu().numpy())
        return int(bad[0]) if len(bad) else None

    def _wait(self) -> None:
        if self.ready is not None:
            self.ready.synchronize()


def device_gram(x: Tensor) -> DeviceGram:
    """Multiply centred activations with themselves on their device.

    Returns at once on a GPU: the copy to main memory is asynchronous, into pinned memory.

    Args:
        x: Activations (n, ...), float32.
    """
    flat = x.reshape(len(x), -1)
    finite = torch.isfinite(flat).all(dim=1)
    peak = torch.where(torch.isfinite(flat), flat, 0).abs().amax()
    exponent = torch.frexp(peak).exponent
    total = torch.zeros((len(flat), len(flat)), dtype=torch.float64, device=flat.device)
    energy = torch.zeros((), dtype=torch.float64, device=flat.device)
    width = max(1024, BLOCK // len(flat))
    for start in range(0, flat.shape[1], width):
        block = torch.ldexp(flat[:, start : start + width], -exponent)
        mean = block.mean(dim=0)
        block = block - mean
        total += block @ block.T
        energy += len(flat) * mean.double().square().sum()
    return _on_its_way(total, exponent, finite, energy)


def _on_its_way(total: Tensor, exponent: Tensor, finite: Tensor, energy: Tensor) -> DeviceGram:
    parts: list[Any] = [total, exponent, finite, energy]
    ready = None
    if total.is_cuda:
        parts = [
            torch.empty(part.shape, dtype=part.dtype, pin_memory=True).copy_(
                part, non_blocking=True
            )
            for part in parts
        ]
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record()
    return DeviceGram(parts[0], parts[1], parts[2], parts[3], ready)
