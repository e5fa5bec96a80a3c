"""The device a study names."""

import torch

from analysis.errors import AnalysisError


def device_of(name: str) -> torch.device:
    """``auto`` (a GPU where there is one) or a torch device; ``AnalysisError`` otherwise."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise AnalysisError(
            f"device {name!r} is unknown; expected auto, cpu, cuda or cuda:1"
        ) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise AnalysisError(f"device {name!r} was asked for, no GPU is there; use auto or cpu")
    return device
