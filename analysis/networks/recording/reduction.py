"""Reductions: from a tap's activations to the features that are compared."""

import math
from collections.abc import Callable, Mapping

from torch import Tensor

from seelike.analysis.errors import AnalysisError, suggest
from seelike.analysis.networks.layers.tap import Tap


def reduce(x: Tensor, tap: Tap, reduction: str) -> Tensor:
    """Reduce activations to the features that are compared.

    Args:
        x: Activations (n, *tap.shape).
        tap: Their tap.
        reduction: ``flatten`` leaves the shape: all tokens times channels (the paper's). ``cls`` is
            the class token (n, c). ``mean`` is the mean over patches or pixels (n, c), class and
            register tokens left out. ``tokens`` is the patches or pixels (n, t, c), row by row from
            the top left. A vector passes unchanged, except under ``cls``.

    Returns:
        Features (n, *reduced_shape), in the dtype of ``x``.

    Raises:
        AnalysisError: Where a tap has no such features.

    Examples:
        ```python
        (tap,) = taps(vit, "blocks.5")
        reduce(torch.randn(8, *tap.shape), tap, "cls").shape  # (8, channels)
        ```
    """
    _check(tap, reduction)
    if reduction == "flatten" or (tap.layout.kind == "vector" and reduction != "cls"):
        return x
    tokens = _AS_TOKENS[tap.layout.kind](x)
    if reduction == "cls":
        return tokens[:, 0]
    spatial = tokens[:, tap.layout.prefix :]
    return spatial.mean(1) if reduction == "mean" else spatial


def reduced_shape(tap: Tap, reduction: str) -> tuple[int, ...]:
    """Return the shape of one image's features at ``tap``.

    Raises:
        AnalysisError: As ``reduce``.
    """
    _check(tap, reduction)
    kind = tap.layout.kind
    if reduction == "flatten" or kind == "vector":
        return tap.shape
    channels = tap.shape[_CHANNEL_AXIS[kind]]
    if reduction == "tokens":
        return (_token_count(tap) - tap.layout.prefix, channels)
    return (channels,)


_AS_TOKENS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "tokens": lambda x: x,
    "tokens_last": lambda x: x.transpose(1, 2),
    "map": lambda x: x.flatten(2).transpose(1, 2),
    "map_last": lambda x: x.flatten(1, 2),
}
_CHANNEL_AXIS = {"tokens": 1, "tokens_last": 0, "map": 0, "map_last": 2}
REDUCTIONS = ("flatten", "cls", "mean", "tokens")


def _token_count(tap: Tap) -> int:
    return math.prod(tap.shape) // tap.shape[_CHANNEL_AXIS[tap.layout.kind]]


def _check(tap: Tap, reduction: str) -> None:
    layout = tap.layout
    if reduction not in REDUCTIONS:
        raise AnalysisError(f"unknown reduction {reduction!r}; {suggest(reduction, REDUCTIONS)}")
    if reduction == "flatten" or (layout.kind == "vector" and reduction != "cls"):
        return
    if reduction == "cls":
        if not layout.class_token:
            raise AnalysisError(
                f"tap {tap.name!r} has no class token; a ViT with one has it inside its blocks "
                f"(layers 'blocks.*', 'norm'); elsewhere take reduction 'mean' or 'flatten'"
            )
    elif layout.kind == "other":
        raise AnalysisError(
            f"tap {tap.name!r} of shape {tap.shape} has no axis known to be tokens or pixels; "
            f"take reduction 'flatten' or leave the layer out"
        )
    elif layout.prefix == _token_count(tap):
        raise AnalysisError(
            f"tap {tap.name!r} has only class tokens; take reduction 'cls' or 'flatten'"
        )
