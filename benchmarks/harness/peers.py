"""The three peers, each called as its documentation says, with defaults that hurt it set aside.

All take two networks, the module names of their taps, and batches of images already in memory,
and give the minibatch CKA of every pair of taps. What they need beyond that is not timed: torch
modules are handed over as they are, on the right device.
"""

import importlib.util
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


class Loader:
    """Batches in memory in a DataLoader's place: (images, labels), nothing copied or shuffled."""

    def __init__(self, batches: Sequence[Tensor]) -> None:
        self.batches = batches
        self.dataset = f"{sum(map(len, batches))} images"

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return ((batch, torch.zeros(len(batch))) for batch in self.batches)


Pairs = Callable[[nn.Module, nn.Module, Sequence[str], Sequence[str], Loader, str], np.ndarray]


@dataclass(frozen=True)
class Peer:
    """A package that does the same; ``module`` is what it imports as.

    ``clamps``: negative CKA, which the unbiased estimator has, is given as 0.
    """

    package: str
    module: str
    pairs: Pairs
    clamps: bool = False

    @property
    def installed(self) -> bool:
        """Whether it is there."""
        return importlib.util.find_spec(self.module) is not None


def pytorch_cka(
    a: nn.Module,
    b: nn.Module,
    taps_a: Sequence[str],
    taps_b: Sequence[str],
    loader: Loader,
    on: str,
) -> np.ndarray:
    """pytorch-cka; where ``a`` is ``b`` it runs the network once and makes each Gram once."""
    from cka import compute_cka

    matrices = compute_cka(
        a, b, loader, layers=list(taps_a), model2_layers=list(taps_b), device=on, progress=False
    )
    return np.asarray(matrices[0].cpu().numpy())


def cka_pytorch(
    a: nn.Module,
    b: nn.Module,
    taps_a: Sequence[str],
    taps_b: Sequence[str],
    loader: Loader,
    on: str,
) -> np.ndarray:
    """cka-pytorch: one epoch in place of ten, no epsilon in the root, no progress bars."""
    from cka_pytorch.cka import CKACalculator

    calculator = CKACalculator(
        a, b, list(taps_a), list(taps_b), device=torch.device(on), verbose=False
    )
    try:
        matrix = calculator.calculate_cka_matrix(loader, num_epochs=1, epsilon=0.0)
        return np.asarray(matrix.cpu().numpy())
    finally:
        calculator.reset()


def torch_cka(
    a: nn.Module,
    b: nn.Module,
    taps_a: Sequence[str],
    taps_b: Sequence[str],
    loader: Loader,
    on: str,
) -> np.ndarray:
    """torch-cka: without the autograd graph it would keep; the hooks it leaves are taken out."""
    from torch_cka import CKA

    before = {module: dict(module._forward_hooks) for module in (*a.modules(), *b.modules())}
    try:
        with torch.no_grad(), redirect_stderr(io.StringIO()):
            comparison = CKA(
                a, b, "a", "b", model1_layers=list(taps_a), model2_layers=list(taps_b), device=on
            )
            comparison.compare(loader, loader)
        return np.asarray(comparison.export()["CKA"].cpu().numpy())
    finally:
        for module, hooks in before.items():
            for key in set(module._forward_hooks) - set(hooks):
                del module._forward_hooks[key]


PEERS = {
    peer.package: peer
    for peer in (
        Peer("pytorch-cka", "cka", pytorch_cka, clamps=True),
        Peer("cka-pytorch", "cka_pytorch", cka_pytorch),
        Peer("torch-cka", "torch_cka", torch_cka),
    )
}


def installed() -> dict[str, Peer]:
    """The peers that are there."""
    return {name: peer for name, peer in PEERS.items() if peer.installed}
