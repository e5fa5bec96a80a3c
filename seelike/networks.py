"""Networks at hand, without a study: load one, list its layers, record activations."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks import ModelSpec, Network, Tap, taps, transform
from seelike.analysis.networks import record as recorded
from seelike.tasks.planning.plans import StudyModel
from seelike.tasks.planning.survey import network_of

if TYPE_CHECKING:
    from PIL.Image import Image

# Prefix of the shipped networks' names.
ZOO = "zoo:"


def load(
    name: str,
    *,
    pretrained: bool = False,
    checkpoint: str | None = None,
    seed: int | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Network:
    """Load a network in evaluation mode, on the CPU.

    Args:
        name: A timm model, such as ``vit_small_patch16_224``, or ``zoo:NAME`` for one of the
            shipped networks, which come with their weights.
        pretrained: Load timm's own weights for the model.
        checkpoint: Path of a file with weights (safetensors or a PyTorch checkpoint) instead.
        seed: Seed of the initial weights where the network is untrained; 0 if None.
        arguments: Further arguments of ``timm.create_model``.

    Returns:
        The network: ``.module`` is the ``torch.nn.Module``, ``.input_size`` its (c, h, w).

    Raises:
        AnalysisError: The model is unknown, its weights cannot be had or do not fit, or options
            contradict each other. The message has the remedy.

    Examples:
        >>> import seelike
        >>> seelike.load("zoo:vit").input_size
        (1, 28, 28)
    """
    if name.startswith(ZOO):
        if pretrained or checkpoint or arguments or seed is not None:
            raise AnalysisError(
                f"{name!r} comes with its weights: leave out pretrained, checkpoint, seed and "
                "arguments"
            )
        spec = ModelSpec(name=name, zoo=name.removeprefix(ZOO))
    else:
        spec = ModelSpec(
            name=name,
            timm=name,
            pretrained=pretrained,
            checkpoint=checkpoint,
            seed=seed,
            arguments=dict(arguments or {}),
        )
    return network_of(StudyModel(spec, None, trained=name.startswith(ZOO)))


def layers(network: str | Network, patterns: str | Sequence[str] = "blocks") -> tuple[Tap, ...]:
    """List the layers of a network that patterns choose, in the order of a forward pass.

    Args:
        network: A network, or a name as in ``load``; of a timm model's name no weights are
            loaded, since its layers do not depend on them.
        patterns: ``blocks``, ``paper`` (the layers of Raghu et al. 2021), or globs over module
            names such as ``blocks.*.mlp`` or ``blocks.3.norm2:input``.

    Returns:
        One entry per layer: ``.name``, ``.shape`` (per image), ``.depth`` (0 at the
        input, 1 at the output).

    Raises:
        AnalysisError: The network is unknown, or a pattern matches no layer.

    Examples:
        >>> import seelike
        >>> [layer.name for layer in seelike.layers("zoo:vit")][:2]
        ['patch_embed', 'blocks.0']
    """
    return taps(load(network) if isinstance(network, str) else network, patterns)


def record(
    network: Network,
    images: "Tensor | Sequence[Image]",
    *,
    layers: str | Sequence[str] = "blocks",
    reduction: str = "flatten",
    batch: int = 64,
) -> dict[str, npt.NDArray[np.float32]]:
    """Record the activations of a network's layers on images.

    All of it is held in memory; a study (``seelike.compare``) records any number of images.

    Args:
        network: A network from ``load``.
        images: Pictures (PIL), which go through the network's own evaluation transform, or a
            tensor (n, c, h, w) that is transformed already.
        layers: Patterns as in ``layers``.
        reduction: ``flatten`` (all features), ``cls``, ``mean`` or ``tokens``.
        batch: Images per forward pass.

    Returns:
        By layer name, in the order of a forward pass: arrays (n, *feature shape), float32.

    Raises:
        AnalysisError: A pattern matches no layer, a layer has no such reduction, or there are no
            images.

    Examples:
        >>> import torch, seelike
        >>> vit = seelike.load("zoo:vit")
        >>> found = seelike.record(vit, torch.zeros(2, 1, 28, 28), layers=["blocks.0"])
        >>> found["blocks.0"].shape
        (2, 50, 96)
    """
    if batch < 1:
        raise AnalysisError(f"batch is {batch}, expected at least 1 image per forward pass")
    chosen = taps(network, layers)
    parts = list(recorded(network, chosen, _batches(network, images, batch), reduction=reduction))
    if not parts:
        raise AnalysisError("there are no images to record; give at least one")
    return {tap.name: np.concatenate([part[tap.name] for part in parts]) for tap in chosen}


def _batches(network: Network, images: "Tensor | Iterable[Image]", batch: int) -> Iterator[Tensor]:
    """Transformed images, ``batch`` at a time."""
    if isinstance(images, Tensor):
        yield from (images[i : i + batch] for i in range(0, len(images), batch))
        return
    prepare, left = transform(network), iter(images)
    while some := list(islice(left, batch)):
        yield torch.stack([prepare(image) for image in some])
