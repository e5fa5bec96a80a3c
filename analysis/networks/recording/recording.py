"""Recording: the activations of a network at its taps, batch by batch.

Hooks exist only while a batch runs, and are removed whatever happens. They get the live tensor,
which the next in-place operation may overwrite, so it is reduced and copied, or used up, inside
the hook.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.events import first_tensor
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.patterns import Side
from seelike.analysis.networks.recording.reduction import reduce, reduced_shape

T = TypeVar("T")
Batch = Tensor | Iterable[Tensor]


def record(
    network: Network, taps: Sequence[Tap], batches: Iterable[Batch], *, reduction: str = "flatten"
) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
    """Record the activations of each batch.

    NaN and infinity are passed on.

    Args:
        network: The network.
        taps: The layers, from ``taps(network)``.
        batches: Each a tensor of transformed images (n, c, h, w), or several of them, which run one
            after the other and are joined.
        reduction: ``flatten``, ``cls``, ``mean`` or ``tokens``: see ``reduce``.

    Yields:
        Per batch the arrays (n, *reduced_shape), float32, by tap name in firing order.

    Raises:
        AnalysisError: For a reduction that a tap lacks, before anything runs; for images of another
            size than the network's; and where a pass does not go through every tap exactly once.

    Examples:
        ```python
        for activations in record(resnet, taps(resnet), [images], reduction="mean"):
            activations["layer4.2"].shape  # (n, 2048)
        ```
    """
    return summarise(network, taps, batches, reduction=reduction, summary=_copied)


def summarise(
    network: Network,
    taps: Sequence[Tap],
    batches: Iterable[Batch],
    *,
    reduction: str = "flatten",
    summary: Callable[[Tap, Tensor], T],
) -> Iterator[dict[str, T]]:
    """Apply a function to the activations of each batch, inside the forward pass.

    For a batch of one tensor, activations are on the network's device and not stored anywhere, so
    that memory is that of one tap; a batch in several pieces is joined in main memory, all taps
    together.

    Args:
        network: The network.
        taps: The layers.
        batches: As in ``record``.
        reduction: As in ``record``.
        summary: Called with a tap and its activations of a whole batch, (n, *reduced_shape),
            float32, as soon as they are complete; they are valid during the call alone.

    Yields:
        Per batch the results of ``summary`` by tap name.

    Raises:
        AnalysisError: As ``record``.
    """
    for tap in taps:
        reduced_shape(tap, reduction)  # Refuses before any work.
    return (_one_batch(network, taps, batch, reduction, summary) for batch in batches)


def _one_batch(
    network: Network,
    taps: Sequence[Tap],
    batch: Batch,
    reduction: str,
    summary: Callable[[Tap, Tensor], T],
) -> dict[str, T]:
    pieces = iter((batch,) if isinstance(batch, Tensor) else batch)
    made: dict[str, T] = {}
    earlier: dict[str, list[Tensor]] = defaultdict(list)

    def receive(tap: Tap, live: Tensor) -> None:
        if live.shape != (count, *tap.shape):
            raise AnalysisError(
                f"tap {tap.name!r} of {network.name} gave {tuple(live.shape)} for {count} "
                f"images, expected {(count, *tap.shape)}; leave this tap out"
            )
        x = reduce(live.float(), tap, reduction)
        if following is not None:
            earlier[tap.name].append(x.to("cpu", copy=True))
        elif tap.name in earlier:
            made[tap.name] = summary(tap, torch.cat([*earlier.pop(tap.name), x.cpu()]))
        else:
            made[tap.name] = summary(tap, x)

    piece = next(pieces, None)
    if piece is None:
        raise AnalysisError(
            f"a batch for {network.name} has no images; give each batch at least one"
        )
    with hooked(network, taps, receive), torch.inference_mode(), full_precision():
        while piece is not None:
            # One piece ahead: the last piece completes a batch.
            following, count = next(pieces, None), len(piece)
            network.module(network.placed(checked(piece, network)))
            piece = following
    return made


def checked(images: Tensor, network: Network) -> Tensor:
    """Return ``images`` if they have the network's input size; else raise ``AnalysisError``."""
    if tuple(images.shape[1:]) != tuple(network.input_size) or not len(images):
        raise AnalysisError(
            f"images of shape {tuple(images.shape)} for {network.name}, expected "
            f"(n, {', '.join(map(str, network.input_size))}); make them with transform(network)"
        )
    return images


def _copied(_: Tap, x: Tensor) -> npt.NDArray[np.float32]:
    return np.array(x.cpu().numpy(), order="C")


@contextmanager
def hooked(
    network: Network, taps: Sequence[Tap], receive: Callable[[Tap, Tensor], None]
) -> Iterator[None]:
    """Call ``receive(tap, tensor)`` when a tap fires, in every pass of ``network.module(...)``.

    Args:
        network: The network.
        taps: The layers.
        receive: Gets the live tensor: copy it to keep it.

    Raises:
        AnalysisError: From inside the pass, where a module is called another number of times than
            when its tap was found.
    """
    passes = _Passes(network, taps, receive)
    handles: list[Any] = []
    try:
        handles.append(network.module.register_forward_pre_hook(passes.start))
        for module, side in passes.chosen:
            handles.append(passes.watch(module, side))
        handles.append(network.module.register_forward_hook(passes.finish))
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Passes:
    """Counts the calls of the tapped modules in each forward pass."""

    def __init__(
        self, network: Network, taps: Sequence[Tap], receive: Callable[[Tap, Tensor], None]
    ) -> None:
        self.network = network
        self.receive = receive
        self.calls: Counter[tuple[str, Side]] = Counter()
        self.chosen: dict[tuple[str, Side], dict[int, Tap]] = defaultdict(dict)
        for tap in taps:
            self.chosen[tap.module, tap.side][tap.call] = tap

    def watch(self, name: str, side: Side) -> Any:
        try:
            module = self.network.module.get_submodule(name)
        except AttributeError as error:
            raise AnalysisError(
                f"{self.network.name} has no module {name!r}; list its taps with taps(network)"
            ) from error

        def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self.fire(name, "input", (args, kwargs))

        def after(_: nn.Module, __: tuple[Any, ...], output: object) -> None:
            self.fire(name, "output", output)

        if side == "input":
            return module.register_forward_pre_hook(before, with_kwargs=True)
        return module.register_forward_hook(after)

    def start(self, *_: object) -> None:
        self.calls.clear()

    def fire(self, module: str, side: Side, value: object) -> None:
        taps = self.chosen[module, side]
        call = self.calls[module, side]
        self.calls[module, side] += 1
        expected = next(iter(taps.values())).calls
        if call >= expected:
            raise self.another_path(module, call + 1, expected)
        tensor = first_tensor(value)
        if call in taps and tensor is not None:
            self.receive(taps[call], tensor)

    def finish(self, *_: object) -> None:
        for (module, side), taps in self.chosen.items():
            expected = next(iter(taps.values())).calls
            if self.calls[module, side] < expected:
                raise self.another_path(module, self.calls[module, side], expected)

    def another_path(self, module: str, ran: int, expected: int) -> AnalysisError:
        return AnalysisError(
            f"module {module!r} of {self.network.name} ran {ran} times in a forward pass, "
            f"{expected} when its taps were found: its path depends on the images or on chance, so "
            f"it can't be recorded; leave this module out"
        )


@contextmanager
def full_precision() -> Iterator[None]:
    """Run convolutions on a GPU in float32, as on a CPU: cuDNN's default is TF32 (10 bits)."""
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=cudnn.enabled, deterministic=cudnn.deterministic, allow_tf32=False):
        yield
