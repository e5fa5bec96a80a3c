"""The device that a study names."""

import torch

from seelike.analysis.errors import AnalysisError


def device(name: str) -> torch.device:
    """``auto`` (a GPU where there is one), or a torch device by name such as ``cuda:1``.

    Raises ``AnalysisError`` for a device that this machine lacks.
    """
    chosen = name
    if name == "auto":
        chosen = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(chosen)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise AnalysisError(f"device {name!r} is not there; take 'auto' or 'cpu'") from error
    return found
