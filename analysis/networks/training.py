"""Training a classifier with the recipe of the zoo: AdamW, one cycle, flips, label smoothing.

The state between two epochs is a flat dictionary of tensors, so that it can be stored without
pickle, and an epoch depends only on (state, seed, epoch number): an interrupted training that is
resumed ends with the same weights as one without interruption.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from seelike.analysis.settings import setting

State = dict[str, Tensor]


@dataclass(frozen=True)
class Recipe:
    """Training settings that all members of the zoo share."""

    epochs: int = setting(12, "passes over the training images", ge=1)
    batch: int = setting(256, "images per step", ge=1)
    peak_rate: float = setting(2e-3, "highest learning rate", gt=0)
    weight_decay: float = setting(0.05, "weight decay of AdamW", ge=0)
    label_smoothing: float = setting(0.1, "share of a label given to all classes", ge=0, lt=1)
    warm_up: float = setting(0.2, "share of the steps before the peak rate", ge=0, lt=1)
    precision: Literal["bfloat16", "float32"] = setting(
        "bfloat16", "precision of the forward pass: bfloat16 or float32"
    )


@dataclass(frozen=True)
class Epoch:
    """One finished epoch: its mean loss, and the state from which the next one starts."""

    number: int
    loss: float
    state: State


def rate(step: int, steps: int, *, recipe: Recipe) -> float:
    """Learning rate at ``step`` of ``steps``: linear warm-up, then half a cosine to zero."""
    warm = max(1.0, recipe.warm_up * steps)
    if step < warm:
        return recipe.peak_rate * (step + 1) / warm
    return recipe.peak_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def epochs(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    recipe: Recipe,
    seed: int,
    images_per_epoch: int | None = None,
    state: State | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Iterator[Epoch]:
    """Train a network in place, epoch by epoch.

    Runs on the device of ``network`` and ``images``.

    Args:
        network: The network.
        images: Normalised images (n, c, h, w).
        labels: Their classes (n,), from 0.
        recipe: The settings.
        seed: Seed of the order of images and of flips.
        images_per_epoch: Length of an epoch; one pass over ``images`` if None. More are several
            passes, so that a fraction of a data set gets as many steps as the whole.
        state: The state of a finished epoch, to continue from.
        on_step: Called with the number of finished steps and their total.

    Yields:
        Each finished epoch.
    """
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay)
    first = restore(network, optimizer, state) if state is not None else 0
    length = len(images) if images_per_epoch is None else images_per_epoch
    batches = math.ceil(length / recipe.batch)
    for number in range(first, recipe.epochs):
        network.train()
        generator = torch.Generator().manual_seed(seed * 100_003 + number)
        order = passes(len(images), length, generator)
        total = 0.0
        with two_step_attention(network):
            for i, chosen in enumerate(torch.split(order, recipe.batch)):
                step = number * batches + i
                for group in optimizer.param_groups:
                    group["lr"] = rate(step, recipe.epochs * batches, recipe=recipe)
                x = flip(images[chosen], generator)
                loss = _loss(network, x, labels[chosen], recipe)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                total += float(loss.detach()) * len(chosen)
                if on_step is not None:
                    on_step(step + 1, recipe.epochs * batches)
        network.eval()
        yield Epoch(number, total / length, snapshot(network, optimizer, number + 1))


def passes(count: int, length: int, generator: torch.Generator) -> Tensor:
    """Draw ``length`` indices below ``count``: shuffled passes, of which the last is cut."""
    whole = [torch.randperm(count, generator=generator) for _ in range(math.ceil(length / count))]
    return torch.cat(whole)[:length]


def _loss(network: nn.Module, x: Tensor, y: Tensor, recipe: Recipe) -> Tensor:
    half = recipe.precision == "bfloat16"
    with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
        logits = network(x)
    return functional.cross_entropy(logits.float(), y, label_smoothing=recipe.label_smoothing)


def flip(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image of ``x`` (n, c, h, w) left to right with probability one half."""
    mirrored = torch.rand(len(x), generator=generator) < 0.5
    return torch.where(mirrored[:, None, None, None].to(x.device), x.flip(-1), x)


def in_fast_layout(network: nn.Module) -> nn.Module:
    """Put a convolutional network into channels last, twice as fast on a CPU."""
    if any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
    return network


@contextmanager
def two_step_attention(network: nn.Module) -> Iterator[None]:
    """Fused attention off: in bfloat16 on a CPU its kernel is slower than two products."""
    fused = [m for m in network.modules() if getattr(m, "fused_attn", False)]
    for module in fused:
        module.fused_attn = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for module in fused:
            module.fused_attn = True  # type: ignore[assignment]


def snapshot(network: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> State:
    """Copy weights, optimizer moments and the next epoch's number into one flat dictionary."""
    state: State = {"epoch": torch.tensor(epoch)}
    for name, value in network.state_dict().items():
        state[f"network/{name}"] = value.detach().clone()
    for index, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            state[f"optimizer/{index}/{name}"] = value.detach().clone()
    return state


def restore(network: nn.Module, optimizer: torch.optim.Optimizer, state: State) -> int:
    """Put a snapshot back into ``network`` and ``optimizer``; return the next epoch's number."""
    network.load_state_dict(
        {k.removeprefix("network/"): v for k, v in state.items() if k.startswith("network/")}
    )
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        if key.startswith("optimizer/"):
            _, index, name = key.split("/")
            moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    return int(state["epoch"])


@torch.inference_mode()
def correct(network: nn.Module, images: Tensor, labels: Tensor, *, batch: int = 500) -> int:
    """Count the images that the network puts into their class."""
    network.eval()
    right = torch.zeros((), dtype=torch.long, device=labels.device)
    for x, y in zip(torch.split(images, batch), torch.split(labels, batch), strict=True):
        right += (network(x).argmax(1) == y).sum()
    return int(right)


def half(state: State) -> State:
    """Round floating weights to float16, as the zoo ships them."""
    return {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
