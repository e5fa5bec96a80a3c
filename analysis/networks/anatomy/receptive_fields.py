"""Effective receptive fields: the pixels on which the centre of a layer depends.

Luo et al. (2016); Raghu et al. (2021), figure 6: the absolute gradient of every channel at a
layer's centre location with respect to the input, averaged over channels, input channels and
images. The absolute value comes first: in the gradient of the channels' sum signs cancel, and a
LayerNorm, whose channels add up to a constant, would have no gradient at all.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.anatomy.channel_sample import ChannelSample, channel_count
from seelike.analysis.networks.anatomy.field_numbers import Patch
from seelike.analysis.networks.anatomy.tokens import Grid, grid
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import Batch, checked, full_precision, hooked

Array = npt.NDArray[np.float64]
USUAL = ChannelSample()


def receptive_field(
    network: Network, tap: Tap, batches: Iterable[Batch], *, sample: ChannelSample = USUAL
) -> Array:
    """Compute the effective receptive field of one tap.

    Args:
        network: The network, in evaluation mode.
        tap: The layer.
        batches: Transformed images (n, c, h, w), as in ``record``.
        sample: The channels, as in ``receptive_fields``.

    Returns:
        The field (height, width), float64, without unit, of sum 1.

    Raises:
        AnalysisError: As ``receptive_fields``.

    Source: Luo et al. (2016); Raghu et al. (2021), figure 6.

    Examples:
        ```python
        resnet = load(ModelSpec("resnet", timm="resnet50", pretrained=True))
        (tap,) = taps(resnet, "layer2.0")
        field = receptive_field(resnet, tap, [images])
        radius(field, centre_patch(resnet, tap), share=0.95)  # pixels
        ```
    """
    field: Array = receptive_fields(network, [tap], batches, sample=sample)[0]
    return field


def receptive_fields(
    network: Network,
    taps: Sequence[Tap],
    batches: Iterable[Batch],
    *,
    sample: ChannelSample = USUAL,
) -> Array:
    """Compute the effective receptive fields of taps.

    A field is the absolute gradient of each channel at the tap's centre location with respect to
    the input, averaged over channels, input channels and images, then divided by its sum (Raghu
    et al. 2021, figure 6). Of h x w locations the centre is row h // 2, column w // 2, counted
    from 0: for an even number the lower or right one of the two in the middle. Layers of more
    than 32 channels are sampled, 8 channels per image by default; the average before the division
    is then an unbiased estimate.

    Args:
        network: The network, in evaluation mode: gradients do not cross images.
        taps: The layers.
        batches: Transformed images (n, c, h, w), as in ``record``. How they are cut into batches
            and pieces changes memory and speed, not the result (up to rounding).
        sample: Up to how many channels all are computed, and which ones otherwise.

    Returns:
        Fields (tap, height, width), float64, without unit, each of sum 1.

    Raises:
        AnalysisError: For a tap without locations, one that does not depend on the input, and
            where a gradient is zero for all images or not finite.
    """
    total: Array | None = None
    for part in gradient_sums(network, taps, batches, sample=sample):
        total = part if total is None else total + part
    if total is None:
        raise _wrong(network, taps[0], "was given no images")
    return normalised(network, taps, total)


def gradient_sums(
    network: Network,
    taps: Sequence[Tap],
    batches: Iterable[Batch],
    *,
    sample: ChannelSample = USUAL,
) -> Iterator[Array]:
    """Compute the gradients that receptive fields are averaged from, summed per group of images.

    Per image: the mean over channels, and the sum over input channels, of the absolute gradient
    of ``receptive_fields``. A forward batch, or each of its pieces, takes one forward pass, whose
    graph is kept, and per tap one backward pass per channel and image, of all its images at a
    time. Memory grows with the forward batch and with the number of taps, not with that of images
    or channels.

    Args:
        network: The network, in evaluation mode.
        taps: The layers.
        batches: Transformed images; groups may begin and end anywhere inside them.
        sample: The channels, and how many consecutive images are summed: its ``group``.

    Yields:
        Sums (tap, height, width) of one group after the other, float64; the last group may have
        fewer images. An image with activations that are not finite makes its group NaN, which
        ``normalised`` refuses.

    Raises:
        AnalysisError: For a tap without locations, one that does not depend on the input, and
            images of another size than the network's.
    """
    if not taps:
        raise AnalysisError(f"no taps asked for in {network.name}; give at least one")
    unique = {tap.name: tap for tap in taps}
    grids = {name: grid(network, tap) for name, tap in unique.items()}  # Refuses before any work.
    order = [list(unique).index(tap.name) for tap in taps]
    unfinished = np.zeros((len(unique), *network.input_size[1:]))
    done = 0
    for piece in _pieces(batches):
        leaf, centres = _forward(network, list(unique.values()), piece, grids)
        images = range(done, done + len(leaf))
        done = images.stop
        groups = [image // sample.group for image in images]
        starts = [i for i, group in enumerate(groups) if i == 0 or group != groups[i - 1]]
        sums = np.empty((len(starts), *unfinished.shape))
        # From the last tap down: with a centre goes the part of the graph that only it needs.
        for at, (name, tap) in reversed(list(enumerate(unique.items()))):
            chosen = sample.chosen(images, channel_count(tap))
            gradients = _absolute_gradients(leaf, centres.pop(name), chosen)
            sums[:, at] = np.add.reduceat(gradients, starts, axis=0)
        for number, part in zip(sorted(set(groups)), sums, strict=True):
            unfinished += part
            if done >= (number + 1) * sample.group:
                yield unfinished[order]
                unfinished = np.zeros_like(unfinished)
    if done % sample.group:
        yield unfinished[order]


def normalised(network: Network, taps: Sequence[Tap], total: Array) -> Array:
    """Divide summed gradients (tap, height, width) by their sum over pixels: receptive fields.

    Raises:
        AnalysisError: For a tap whose gradient is not finite, or zero everywhere.
    """
    for tap, field in zip(taps, total, strict=True):
        if not np.isfinite(field).all():
            why = "is not finite, or its gradient is not; look at images and weights"
            raise _wrong(network, tap, why)
        if not field.any():
            why = "has a gradient of zero at its centre for all images; leave it out"
            raise _wrong(network, tap, why)
    fields: Array = total / total.sum((1, 2), keepdims=True)
    return fields


def centre_patch(network: Network, tap: Tap) -> Patch:
    """Find the patch of a tap's centre location: the input cut into as many patches as locations.

    Raises:
        AnalysisError: For a tap without locations.
    """
    rows, columns = grid(network, tap)
    height, width = network.input_size[1] / rows, network.input_size[2] / columns
    return Patch(rows // 2 * height, columns // 2 * width, height, width)


def _pieces(batches: Iterable[Batch]) -> Iterator[Tensor]:
    for batch in batches:
        yield from (batch,) if isinstance(batch, Tensor) else batch


def _forward(
    network: Network, taps: Sequence[Tap], images: Tensor, grids: dict[str, Grid]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Run images forward: the leaf to differentiate by, and the centres (n, channels) by tap."""
    centres: dict[str, Tensor] = {}

    def keep(tap: Tap, live: Tensor) -> None:
        if live.shape[1:] != tap.shape:
            why = f"has shape {tuple(live.shape[1:])}, not {tap.shape}; find its taps again"
            raise _wrong(network, tap, why)
        # Copied at once: the next operation may be in place, and would change a view's graph.
        centres[tap.name] = _centre(live, tap, grids[tap.name]).float().clone()
        if not centres[tap.name].requires_grad:
            raise _wrong(network, tap, "does not depend on the input; leave this tap out")

    with torch.inference_mode(False), torch.enable_grad(), full_precision():
        leaf = network.placed(checked(images, network)).detach().clone().requires_grad_()
        with hooked(network, taps, keep):
            network.module(leaf.clone())  # A leaf itself can't be overwritten.
    return leaf, centres


def _absolute_gradients(leaf: Tensor, centre: Tensor, chosen: npt.NDArray[np.intp]) -> Array:
    """Average the absolute gradients of each image's ``chosen`` channels (image, k).

    One backward pass differentiates one channel of every image, whichever that is: the gradient
    of the sum over images holds each image's own. Returns (image, height, width), summed over
    input channels.
    """
    total = torch.zeros((len(leaf), *leaf.shape[2:]), device=leaf.device)
    for channel in torch.from_numpy(chosen.T.copy()).to(leaf.device):
        with torch.inference_mode(False), full_precision():
            one = torch.zeros_like(centre).scatter_(1, channel[:, None], 1.0)
            (gradient,) = torch.autograd.grad(centre, leaf, one, retain_graph=True)
        total += gradient.float().abs().sum(1)
    total[~centre.detach().isfinite().all(1)] = torch.nan
    gradients: Array = total.cpu().numpy().astype(np.float64) / chosen.shape[1]
    return gradients


def _centre(live: Tensor, tap: Tap, of: Grid) -> Tensor:
    """The features (n, channels) of the centre location.

    Taken out by plain indexing: where the gradient of a single image comes back transposed,
    torch 2.13's batch norm on a CPU takes channels for pixels without a word.
    """
    row, column = of[0] // 2, of[1] // 2
    token = tap.layout.prefix + row * of[1] + column
    if tap.layout.kind == "map":
        return live[:, :, row, column]
    if tap.layout.kind == "map_last":
        return live[:, row, column]
    return live[:, token] if tap.layout.kind == "tokens" else live[:, :, token]


def _wrong(network: Network, tap: Tap, why: str) -> AnalysisError:
    return AnalysisError(f"tap {tap.name!r} of {network.name} {why}")
