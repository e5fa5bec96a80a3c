"""Weights from a file into a network: all of them, or an error that names the misfits."""

import pickle
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from seelike.analysis.errors import AnalysisError

# Where training scripts put the weights in a checkpoint; the running average first, as in timm.
NESTS = ("state_dict_ema", "model_ema", "state_dict", "model")
# Prefixes that distributed training and compilation add to each name.
WRAPPERS = ("module.", "_orig_mod.")


def read(path: str) -> dict[str, Tensor]:
    """Read the weights in a ``.safetensors`` or a ``torch.save`` file.

    A ``torch.save`` file is read without running the code that it may hold. It is a state dict, or
    has one under 'state_dict_ema', 'model_ema', 'state_dict' or 'model' (the first that is there);
    prefixes 'module.' and '_orig_mod.' are removed from names.

    Args:
        path: Path of the file.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        AnalysisError: For a file that is missing, damaged, or holds more than tensors.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise AnalysisError(
            f"checkpoint {path!r} is no file (relative paths start at {Path.cwd()}); check the path"
        )
    try:
        if file.suffix == ".safetensors":
            stored: Any = load_file(file)
        else:
            stored = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise AnalysisError(
            f"checkpoint {path!r} holds more than tensors, and reading that could run its code; "
            f"save the weights alone: safetensors.torch.save_file(model.state_dict(), ...)"
        ) from error
    except Exception as error:  # Garbage makes torch's reader fail in any way.
        raise AnalysisError(
            f"checkpoint {path!r} can't be read as {_format(file)}; it is damaged or another "
            f"format: {type(error).__name__}: {first_line(error)}"
        ) from error
    return _unwrapped(stored, path)


def fit(module: nn.Module, weights: Mapping[str, Tensor], *, source: str, name: str) -> None:
    """Load weights into a module; every weight must be there, by name and shape.

    Half precision becomes the module's own precision.

    Args:
        module: The module.
        weights: Tensors by name.
        source: Where the weights come from, for the error.
        name: The network's name, for the error.

    Raises:
        AnalysisError: For weights that are missing, unknown or of another shape.
    """
    own = module.state_dict()
    missing = [key for key in own if key not in weights]
    unexpected = [key for key in weights if key not in own]
    misshaped = [key for key in own if key in weights and own[key].shape != weights[key].shape]
    if missing or unexpected or misshaped:
        shapes = [
            f"{key} is {tuple(weights[key].shape)} in the file, "
            f"{tuple(own[key].shape)} in the network"
            for key in misshaped
        ]
        faults = [
            _listed("missing in the file", missing),
            _listed("unknown to the network", unexpected),
            _listed("of another shape", shapes),
        ]
        raise AnalysisError(
            f"{source} does not fit {name}: {'; '.join(filter(None, faults))}"
            f"{_remedy(module, weights)}"
        )
    module.load_state_dict(dict(weights))


def first_line(error: Exception) -> str:
    """The first line of an error's text, for a message of one line."""
    lines = str(error).strip().splitlines() or [""]
    return textwrap.shorten(lines[0], 160, placeholder=" ...")


def _unwrapped(stored: Any, path: str) -> dict[str, Tensor]:
    if isinstance(stored, Mapping):
        nests = [nest for nest in NESTS if isinstance(stored.get(nest), Mapping)]
        stored = stored[nests[0]] if nests else stored
    if not isinstance(stored, Mapping):
        raise AnalysisError(
            f"checkpoint {path!r} holds a {type(stored).__name__}, expected weights by "
            "name; save model.state_dict()"
        )
    odd = [key for key, value in stored.items() if not isinstance(value, Tensor)]
    if odd or not stored:
        found = f"{odd[0]!r} of type {type(stored[odd[0]]).__name__}" if odd else "nothing"
        raise AnalysisError(
            f"checkpoint {path!r} holds {found}, expected tensors by name, at the top or under "
            f"one of {', '.join(map(repr, NESTS))}"
        )
    return {_bare(str(key)): value for key, value in stored.items()}


def _bare(key: str) -> str:
    while key.startswith(WRAPPERS):
        key = key.partition(".")[2]
    return key


def _format(file: Path) -> str:
    return "safetensors" if file.suffix == ".safetensors" else "a torch.save file"


def _listed(what: str, keys: list[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"{len(keys)} {what} ({', '.join(keys[:3])}{more})" if keys else ""


def _remedy(module: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """Name the argument that makes the file fit, where only its classifier differs."""
    classifier = (getattr(module, "pretrained_cfg", None) or {}).get("classifier")
    names = [classifier] if isinstance(classifier, str) else list(classifier or ())
    own = module.state_dict()
    elsewhere = [k for k in own.keys() ^ weights.keys() if k.rpartition(".")[0] not in names]
    if elsewhere:
        return ""
    for key in (f"{name}.weight" for name in names):
        classes = len(weights[key]) if key in weights else 0
        if key in own and classes != len(own[key]):
            return f"; pass arguments: {{num_classes: {classes}}}"
    return ""
