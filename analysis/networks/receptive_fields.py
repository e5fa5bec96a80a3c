"""Effective receptive fields: which pixels the centre of a layer depends on.

Luo et al. (2016); Raghu et al. (2021), figure 6: the absolute gradient of a layer's centre
location with respect to the input, averaged over input channels and images.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from analysis.errors import AnalysisError
from analysis.networks.field_numbers import Patch
from analysis.networks.layouts import Layout
from analysis.networks.network import Network
from analysis.networks.recording import Batch, checked, full_precision, hooked
from analysis.networks.tap import Tap
from analysis.networks.tokens import Grid, grid

Array = npt.NDArray[np.float64]
# A sum below this share of the magnitudes that it adds up is rounding, in float32.
ROUNDING = 1e-5


def receptive_field(network: Network, tap: Tap, batches: Iterable[Batch]) -> Array:
    """The effective receptive field of one tap: (height, width), as ``receptive_fields``."""
    field: Array = receptive_fields(network, [tap], batches)[0]
    return field


def receptive_fields(network: Network, taps: Sequence[Tap], batches: Iterable[Batch]) -> Array:
    """The effective receptive fields of ``taps``: (tap, height, width), float64, each of sum 1.

    A field is the absolute gradient of the sum over channels of the tap's centre location with
    respect to the input, averaged over input channels and images. Of h x w locations the
    centre is row h // 2, column w // 2, counted from 0: of an even number the lower or right
    one of the two in the middle. ``batches`` are transformed images as in ``record``. A batch, or
    each of its pieces, takes one forward pass, whose graph is kept, and a backward pass a tap:
    memory grows with it, not with their number or the taps. Raises ``AnalysisError`` for a tap
    without locations, and where a gradient is zero, rounding or not finite.
    """
    fields = _fields(network, taps)
    for _ in _passes(network, fields, batches):
        pass  # Each field adds its gradients up.
    return np.stack([fields[tap.name].normalised() for tap in taps])


def receptive_fields_by_batch(
    network: Network, taps: Sequence[Tap], batches: Iterable[Batch]
) -> Array:
    """What each batch adds to ``receptive_fields``: (batch, tap, height, width), float64.

    Their sum over the batches is that. Memory grows with the number of batches; errors are as
    there.
    """
    fields = _fields(network, taps)
    parts = list(_passes(network, fields, batches))
    for field in fields.values():
        field.normalised()  # Refuses what is no field, and no batches.
    names = list(fields)
    joined = np.stack(parts)[:, [names.index(tap.name) for tap in taps]]
    shares: Array = joined / joined.sum((0, 2, 3))[:, None, None]
    return shares


def _fields(network: Network, taps: Sequence[Tap]) -> dict[str, "_Field"]:
    fields = {tap.name: _Field(network, tap) for tap in taps}
    if not fields:
        raise AnalysisError(f"no taps asked for in {network.name}; give at least one")
    return fields


def _passes(
    network: Network, fields: dict[str, "_Field"], batches: Iterable[Batch]
) -> Iterator[Array]:
    """Run every batch forward, and backward for every field: their gradients (tap, h, w)."""
    *all_but_last, last = fields.values()
    taps = [field.tap for field in fields.values()]
    for batch in batches:
        whole: list[Array] = []
        for piece in (batch,) if isinstance(batch, Tensor) else batch:
            images = network.placed(checked(piece, network))
            with torch.inference_mode(False), torch.enable_grad(), full_precision():
                leaf = images.detach().clone().requires_grad_()
                with hooked(network, taps, lambda tap, live: fields[tap.name].see(live)):
                    network.module(leaf.clone())  # A leaf itself can't be overwritten.
                parts = [field.add(leaf, keep_graph=True) for field in all_but_last]
                parts.append(last.add(leaf, keep_graph=False))
            whole.append(torch.stack(parts).cpu().numpy())
        yield np.sum(whole, axis=0)


class _Field:
    """One tap's gradients, added up."""

    def __init__(self, network: Network, tap: Tap) -> None:
        self.network = network.name
        self.tap = tap
        self.grid = grid(network, tap)
        self.total: Tensor | None = None
        self.sums: list[Tensor] = []
        self.sizes: list[Tensor] = []

    def see(self, live: Tensor) -> None:
        """Sum the centre up at once: the next operation may be in place."""
        if live.shape[1:] != self.tap.shape:
            raise self._wrong(
                f"has shape {tuple(live.shape[1:])}, not {self.tap.shape}; find its taps again"
            )
        channels = _centre(live, self.tap.layout, self.grid).float()
        self.sums.append(channels.sum(-1))
        self.sizes.append(channels.detach().abs().sum(-1))
        if not self.sums[-1].requires_grad:
            raise self._wrong("does not depend on the input; leave this tap out")

    def add(self, leaf: Tensor, *, keep_graph: bool) -> Tensor:
        """Run the backward pass of the last batch, after which its graph is let go: its part."""
        (gradient,) = torch.autograd.grad(self.sums[-1].sum(), leaf, retain_graph=keep_graph)
        self.sums[-1] = self.sums[-1].detach()
        batch = gradient.abs().sum((0, 1), dtype=torch.float64)
        self.total = batch if self.total is None else self.total + batch
        return batch

    def normalised(self) -> Array:
        """(height, width), of sum 1."""
        if self.total is None:
            raise self._wrong("was given no images")
        field: Array = self.total.cpu().numpy()
        sums, sizes = torch.cat(self.sums).abs(), torch.cat(self.sizes)
        if not (np.isfinite(field).all() and sizes.isfinite().all()):
            raise self._wrong("is not finite, or its gradient; look at images and weights")
        if sizes.any() and (sums <= ROUNDING * sizes).all():
            raise self._wrong(
                "has channels that add up to zero, as those of an untrained LayerNorm, so that "
                "their gradient is rounding; tap the layer before it"
            )
        if not field.any():
            raise self._wrong("has a gradient of zero at its centre for all images; leave it out")
        field /= field.sum()
        return field

    def _wrong(self, why: str) -> AnalysisError:
        return AnalysisError(f"tap {self.tap.name!r} of {self.network} {why}")


def _centre(live: Tensor, layout: Layout, of: Grid) -> Tensor:
    """The features (n, channels) of the centre location.

    Taken out by plain indexing: where the gradient of a single image comes back transposed,
    torch 2.13's batch norm on a CPU takes channels for pixels without a word.
    """
    row, column = of[0] // 2, of[1] // 2
    token = layout.prefix + row * of[1] + column
    if layout.kind == "map":
        return live[:, :, row, column]
    if layout.kind == "map_last":
        return live[:, row, column]
    return live[:, token] if layout.kind == "tokens" else live[:, :, token]


def centre_patch(network: Network, tap: Tap) -> Patch:
    """The patch that a tap's centre location stands for: the input cut into as many locations.

    Raises ``AnalysisError`` for a tap without locations.
    """
    rows, columns = grid(network, tap)
    height, width = network.input_size[1] / rows, network.input_size[2] / columns
    return Patch(rows // 2 * height, columns // 2 * width, height, width)
