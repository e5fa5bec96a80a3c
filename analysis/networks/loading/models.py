"""Model specifications, and loading a network with its weights."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from timm.data.config import resolve_data_config
from torch import Tensor, nn

from seelike.analysis.errors import AnalysisError, suggest
from seelike.analysis.networks.loading import zoo
from seelike.analysis.networks.loading.building import accepts, build
from seelike.analysis.networks.loading.checkpoints import fit, read
from seelike.analysis.networks.network import Network

# Mean and deviation of Fashion-MNIST's training images, on which the zoo was trained.
ZOO_DATA: dict[str, Any] = {
    "mean": (0.2860,),
    "std": (0.3530,),
    "interpolation": "bilinear",
    "crop_pct": 1.0,
    "crop_mode": "center",
}


# Initial weights come from torch's one global generator: two threads that build at the same time
# would take numbers from each other, and a seed would no longer determine its weights.
_building = threading.Lock()


@dataclass(frozen=True)
class ModelSpec:
    """A network and its weights.

    Exactly one of ``timm``, ``zoo`` and ``imported`` is given.

    Attributes:
        name: The user's label for it.
        timm: timm's name of the model.
        pretrained: Load timm's weights; with neither these nor ``checkpoint`` the model has the
            initial weights of ``seed``.
        checkpoint: A local file of weights.
        seed: Seed of initial weights; None means 0. For the zoo, the training run.
        zoo: A family of the reference zoo; its weights are handed to ``load``.
        imported: The name at another group of a network of which only signatures are here.
        arguments: Arguments for ``timm.create_model``.

    Raises:
        AnalysisError: For a combination without meaning.
    """

    name: str
    timm: str | None = None
    pretrained: bool = False
    checkpoint: str | None = None
    seed: int | None = None
    zoo: str | None = None
    imported: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.timm, self.zoo, self.imported)) != 1:
            raise AnalysisError(
                f"model {self.name!r} needs exactly one of 'timm', 'zoo' and 'imported'"
            )
        if self.pretrained and self.checkpoint is not None:
            raise AnalysisError(
                f"model {self.name!r} has both 'pretrained' and 'checkpoint'; keep one"
            )
        if self.zoo is not None and (self.pretrained or self.checkpoint or self.arguments):
            raise AnalysisError(
                f"model {self.name!r} of the zoo takes a 'seed', but no 'pretrained', "
                f"'checkpoint' or 'arguments'"
            )


def load(spec: ModelSpec, *, weights: Mapping[str, npt.NDArray[Any]] | None = None) -> Network:
    """Load a network.

    The global random state is left as it was.

    Args:
        spec: The network.
        weights: Arrays by name that take the place of a checkpoint (float16 is raised to float32):
            weights of the zoo come from storage this way. Without them, ``pretrained`` or
            ``checkpoint``, the network is untrained.

    Returns:
        The network in evaluation mode, on the CPU.

    Raises:
        AnalysisError: For a model, argument or weights of ``spec`` that are missing or don't fit.

    Examples:
        ```python
        resnet = load(ModelSpec("resnet", timm="resnet50", pretrained=True)).to("auto")
        ```
    """
    if spec.imported is not None:
        raise AnalysisError(
            f"model {spec.name!r} has imported signatures only: it can be compared, not run; "
            f"give its weights, or leave it out"
        )
    if weights is not None and (spec.pretrained or spec.checkpoint is not None):
        raise AnalysisError(
            f"model {spec.name!r} has both weights and its own source of them; give one"
        )
    with _building:
        network = _from_zoo(spec) if spec.timm is None else _from_timm(spec, spec.timm)
    if spec.checkpoint is not None:
        source = f"checkpoint {spec.checkpoint!r}"
        fit(network.module, read(spec.checkpoint), source=source, name=spec.name)
    elif weights is not None:
        tensors = {key: _tensor(value) for key, value in weights.items()}
        fit(network.module, tensors, source="the set of weights given", name=spec.name)
    return network


def untrained(spec: ModelSpec) -> ModelSpec:
    """Specify the untrained baseline: the same architecture and arguments, initial weights.

    timm starts the last normalisation of each residual branch at zero where a model takes
    ``zero_init_last``; the branches of the untrained network would be constant, so it is switched
    off here.
    """
    arguments = dict(spec.arguments)
    silent = "zero_init_last"
    if spec.timm and silent not in arguments and accepts(spec.timm, silent, False, arguments):
        arguments[silent] = False
    return replace(
        spec,
        name=baseline_name(spec.name),
        pretrained=False,
        checkpoint=None,
        seed=spec.seed or 0,
        arguments=arguments,
    )


def baseline_name(name: str) -> str:
    """Name of the untrained baseline of the model called ``name``."""
    return f"{name} untrained"


def _from_zoo(spec: ModelSpec) -> Network:
    family = str(spec.zoo)
    if family not in zoo.FAMILIES:
        raise AnalysisError(f"the zoo has no family {family!r}; {suggest(family, zoo.FAMILIES)}")
    return Network(
        name=spec.name,
        module=zoo.build(family, seed=spec.seed or 0),
        input_size=(1, zoo.SIZE, zoo.SIZE),
        data_config=ZOO_DATA,
        architecture=f"zoo/{family}",
    )


def _from_timm(spec: ModelSpec, timm_name: str) -> Network:
    module = build(
        timm_name,
        pretrained=spec.pretrained,
        arguments=spec.arguments,
        seed=spec.seed or 0,
    )
    config: dict[str, Any] = dict(module.pretrained_cfg)  # type: ignore[arg-type]
    size = _input_size(module, config, spec.arguments)
    return Network(
        name=spec.name,
        module=module,
        input_size=size,
        data_config=_data_config(module, size),
        architecture=str(config.get("architecture") or timm_name),
        arguments={**getattr(module, "pretrained_model_args", {}), **spec.arguments},
        configuration={
            "num_classes": config.get("num_classes"),
            "global_pool": config.get("global_pool"),
            "input_size": list(size),
        },
    )


def _input_size(
    module: nn.Module, config: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[int, int, int]:
    """Input size (c, h, w) of the built network, which its arguments may have changed."""
    channels, height, width = config.get("input_size") or (3, 224, 224)
    embed = getattr(module, "patch_embed", getattr(module, "stem", None))
    size = getattr(embed, "img_size", None) or arguments.get("img_size") or (height, width)
    height, width = (size, size) if isinstance(size, int) else size
    return int(arguments.get("in_chans") or channels), int(height), int(width)


def _data_config(module: nn.Module, size: tuple[int, int, int]) -> dict[str, Any]:
    """Timm's preprocessing for evaluation; colours averaged for other channel counts."""
    config: dict[str, Any] = resolve_data_config(  # type: ignore[no-untyped-call]
        {"input_size": size}, model=module
    )
    for key in ("mean", "std"):
        values = tuple(float(value) for value in config[key])
        same = len(values) == size[0]
        config[key] = values if same else (sum(values) / len(values),) * size[0]
    return {key: config[key] for key in ZOO_DATA}


def _tensor(value: npt.NDArray[Any]) -> Tensor:
    raised = value.astype(np.float32) if value.dtype == np.float16 else value
    return torch.from_numpy(np.array(raised))
