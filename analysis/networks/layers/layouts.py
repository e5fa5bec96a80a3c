"""Layouts of activations: which axis counts tokens, channels or pixels."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from seelike.analysis.networks.network import Network

Kind = Literal["vector", "tokens", "tokens_last", "map", "map_last", "other"]


@dataclass(frozen=True)
class Layout:
    """The axes of one image's features.

    Attributes:
        kind: ``vector`` (c,); ``tokens`` (t, c); ``tokens_last`` (c, t), as inside a Mixer's token
            MLP; ``map`` (c, h, w); ``map_last`` (h, w, c); ``other`` where no axis is known to be
            spatial (queries split by head, hidden units of a token MLP).
        prefix: Number of first tokens that are not spatial.
        class_token: Whether the very first token is the class token.
    """

    kind: Kind
    prefix: int = 0
    class_token: bool = False


class Layouts:
    """Find the layout of a network's activations from their shapes.

    A network of patches says how many tokens it has; elsewhere the token count or the sides of a
    map have to be those of its input, reduced. A shape that fits two ways is read as tokens before
    channels and channels before pixels, unless the network's ``output_fmt`` or the module's name
    says otherwise; a shape that fits no way is ``other``, never a guess.
    """

    def __init__(self, network: Network) -> None:
        module = network.module
        self.height, self.width = network.input_size[1:]
        self.embedding, self.grid = _embedding(module)
        self.class_token = bool(getattr(module, "has_class_token", _has_class_token(module)))
        self.prefix = int(getattr(module, "num_prefix_tokens", self.class_token))
        self.channels_last = getattr(module, "output_fmt", "NCHW") == "NHWC"
        # By the number of tokens of a sequence: how many of them are no patches.
        self.counts = {}
        if self.grid is not None:
            patches = self.grid[0] * self.grid[1]
            self.counts = {patches: 0, patches + self.prefix: self.prefix}

    def of(self, shape: tuple[int, ...], *, module: str) -> Layout:
        """Find the layout of features of ``shape`` at the module of that dotted name."""
        if len(shape) == 1:
            return Layout("vector")
        if len(shape) == 2:
            return self._sequence(shape[0], shape[1], module=module)
        if len(shape) == 3:
            return Layout(self._map(*shape))
        return Layout("other")

    def _sequence(self, first: int, last: int, *, module: str) -> Layout:
        transposed = first not in self.counts or "token" in module
        if last in self.counts and transposed:
            return self._tokens("tokens_last", self.counts[last])
        if first in self.counts:
            return self._tokens("tokens", self.counts[first])
        if 0 < first == self.prefix:  # Class tokens alone, as in CaiT's last blocks.
            return self._tokens("tokens", self.prefix)
        for prefix in (self.prefix, 0):
            if self._fills_a_grid(first - prefix):
                return self._tokens("tokens", prefix)
        return Layout("other")

    def _tokens(self, kind: Kind, prefix: int) -> Layout:
        return Layout(kind, prefix, self.class_token and prefix > 0)

    def _fills_a_grid(self, patches: int) -> bool:
        if patches < 1:
            return False
        height = round((patches * self.height / self.width) ** 0.5)
        width = patches // max(height, 1)
        return height * width == patches and self._shrunk(height, width)

    def _map(self, a: int, b: int, c: int) -> Kind:
        first, last = self._shrunk(b, c), self._shrunk(a, b)
        if first and last:
            return "map_last" if self.channels_last else "map"
        return "map" if first else "map_last" if last else "other"

    def _shrunk(self, height: int, width: int) -> bool:
        """Whether the input, or its patches, can have become height x width."""
        if height > self.height or width > self.width:
            return False
        if self.grid is not None:
            return all(
                a % b == 0 or b % a == 0 for a, b in zip(self.grid, (height, width), strict=True)
            )
        # A strided layer rounds each side by less than one pixel; square stays square.
        rounding = abs(height * self.width - width * self.height)
        return (
            height == width
            if self.height == self.width
            else rounding < max(self.height, self.width)
        )


def _embedding(module: nn.Module) -> tuple[str | None, tuple[int, int] | None]:
    """Name of the module that embeds a network's patches, and their grid."""
    name = "patch_embed" if hasattr(module, "patch_embed") else "stem"
    grid = getattr(getattr(module, name, None), "grid_size", None)
    return (None, None) if grid is None else (name, (int(grid[0]), int(grid[1])))


def _has_class_token(module: nn.Module) -> bool:
    return getattr(module, "cls_token", None) is not None
