"""Devices by name."""

import torch

from seelike.analysis.errors import AnalysisError


def device(name: str) -> torch.device:
    """Find a torch device by name.

    Args:
        name: ``auto`` (a GPU where there is one), or torch's name, such as ``cuda:1``.

    Raises:
        AnalysisError: For a device that this machine lacks.
    """
    chosen = name
    if name == "auto":
        chosen = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(chosen)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise AnalysisError(f"this machine has no device {name!r}; take 'auto' or 'cpu'") from error
    return found
