"""Attention maps: the attentions of a network, the maps of their heads and the heads' outputs.

timm's fused attention never forms the probabilities. Without it, every attention with an
``attn_drop`` passes them through that module after the softmax; in evaluation it returns them
unchanged, and there they are read. The exceptions are refused by name: cross-covariance
attention (XCiT) relates channels, differential attention takes the difference of two maps later,
CaiT's talking heads mix the maps after the softmax (see ``attention.mean_distance``), and LeViT,
MViT or Hiera have no ``attn_drop``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from timm.models.swin_transformer import WindowAttention
from timm.models.swin_transformer_v2 import WindowAttention as WindowAttentionV2
from torch import Tensor, nn

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.events import IMAGES, Event, events
from seelike.analysis.networks.layers.layouts import Layout, Layouts
from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import Batch, hooked, record

IN_WINDOWS = (WindowAttention, WindowAttentionV2)


@dataclass(frozen=True)
class AttentionBlock:
    """One attention among patches.

    Attributes:
        module: Its dotted name in the network.
        heads: Number of heads.
        grid: Rows and columns of the patches that attend to each other, row by row behind the
            prefix. Where patches attend in windows (Swin), the grid of one window.
        patch: Height and width of a patch, in pixels of the input.
        prefix: Tokens before the patches: class, distillation, registers.
        windows: Windows per image; 1 without windows.
    """

    module: str
    heads: int
    grid: tuple[int, int]
    patch: tuple[int, int]
    prefix: int = 0
    windows: int = 1

    @property
    def tokens(self) -> int:
        """Number of queries of a map, and of keys."""
        return self.prefix + self.grid[0] * self.grid[1]


def attention_blocks(network: Network) -> tuple[AttentionBlock, ...]:
    """Find the attentions of a network, in firing order; runs one forward pass.

    Args:
        network: The network.

    Returns:
        One ``AttentionBlock`` per attention.

    Raises:
        AnalysisError: For a network without attention, and for an attention whose probabilities
            can't be read or are not of patches on patches.
    """
    attentions = _attentions(network)
    if not attentions:
        raise AnalysisError(_why_none(network))
    with unfused(network):
        fired = [e for e in events(network) if e.side == "input"]
    by_dropout = {f"{name}.attn_drop": name for name in attentions}
    maps = [event for event in fired if event.module in by_dropout]
    silent = [name for tap, name in by_dropout.items() if all(e.module != tap for e in maps)]
    if silent or len(maps) > len(by_dropout):
        repeated = [by_dropout[event.module] for event in maps if event.call > 0]
        name, times = (silent[0], "never") if silent else (repeated[0], "several times")
        raise AnalysisError(
            f"attention {name!r} of {network.name} gave its probabilities {times} in a forward "
            f"pass, expected once; leave this network out of attention"
        )
    return tuple(_block(network, by_dropout[event.module], event) for event in maps)


@contextmanager
def unfused(network: Network) -> Iterator[None]:
    """Let the attentions of a network compute their probabilities step by step, inside the context.

    Each attention gets its own setting back, whatever happens.
    """
    found = _attentions(network).values()
    before = {part: part.fused_attn for part in found if hasattr(part, "fused_attn")}
    try:
        for part in before:
            part.fused_attn = False  # type: ignore[assignment]
        yield
    finally:
        for part, fused in before.items():
            part.fused_attn = fused


@contextmanager
def heads(
    network: Network,
    blocks: Sequence[AttentionBlock],
    receive: Callable[[AttentionBlock, Tensor], None],
) -> Iterator[None]:
    """Call ``receive(block, attention)`` when a block attends, in every pass of the network.

    Fused attention is off inside.

    Args:
        network: The network.
        blocks: Its attentions, from ``attention_blocks``.
        receive: Gets the probabilities (images, heads, queries, keys), float32, rows of sum one;
            where the block has windows, the first axis is images * windows. The tensor may be the
            live one: it is valid during the call alone.

    Raises:
        AnalysisError: From inside the pass, where a block doesn't attend exactly once in a pass, or
            attends to another number of tokens.
    """
    chosen = {f"{block.module}.attn_drop:input": block for block in blocks}

    def probabilities(tap: Tap, live: Tensor) -> None:
        block = chosen[tap.name]
        if live.shape[1:] != tap.shape:
            raise AnalysisError(
                f"attention {block.module!r} of {network.name} gave a map of "
                f"{tuple(live.shape[1:])}, expected {tap.shape} (heads, queries, keys); images "
                f"have to be of size {tuple(network.input_size)}"
            )
        receive(block, live.float())

    with unfused(network), hooked(network, [_tap(block) for block in blocks], probabilities):
        yield


def head_outputs(
    network: Network, block: AttentionBlock, batches: Iterable[Batch]
) -> Iterator[npt.NDArray[np.float32]]:
    """Compute the output of each head of a block, batch by batch.

    It is the input of the attention's ``proj``, cut by head: attention times values, and whatever
    the architecture does to it before ``proj`` (EVA-02's norm, a gate). A subset of heads as one
    layer: ``outputs[:, :, [0, 3]]``.

    Args:
        network: The network.
        block: One of its attentions.
        batches: Transformed images, as in ``record``.

    Yields:
        Arrays (images, tokens, heads, channels per head), float32, one per batch.

    Raises:
        AnalysisError: For a block without ``proj`` or with windows.
    """
    attention = _module(network, block.module)
    if block.windows > 1 or not isinstance(getattr(attention, "proj", None), nn.Module):
        reason = "attends in windows" if block.windows > 1 else "has no module 'proj'"
        raise AnalysisError(
            f"attention {block.module!r} of {network.name} {reason}: the outputs of its heads "
            f"cannot be separated by image; choose a block of a plain ViT"
        )
    found = taps(network, [f"{block.module}.proj:input"])
    return (
        x.reshape(*x.shape[:2], block.heads, -1)
        for recorded in record(network, found, batches)
        for x in recorded.values()
    )


def _attentions(network: Network) -> dict[str, nn.Module]:
    """All modules with dropout on their attention, by name."""
    return {
        name: part
        for name, part in network.module.named_modules()
        if isinstance(getattr(part, "attn_drop", None), nn.Module)
    }


def _module(network: Network, name: str) -> nn.Module:
    try:
        return network.module.get_submodule(name)
    except AttributeError as error:
        raise AnalysisError(
            f"{network.name} has no module {name!r}; its attentions: attention_blocks(network)"
        ) from error


def _why_none(network: Network) -> str:
    for name, part in network.module.named_modules():
        if isinstance(getattr(part, "num_heads", getattr(part, "heads", None)), int):
            return (
                f"attention {name!r} ({type(part).__name__}) of {network.name} doesn't show its "
                f"probabilities: it has no 'attn_drop' that they pass; leave it out of attention"
            )
    return f"{network.name} ({network.architecture}) has no attention; give a transformer"


def _block(network: Network, name: str, event: Event) -> AttentionBlock:
    """The block of attention ``name``, whose map in a pass of two images is ``event``."""
    attention = _module(network, name)
    count = getattr(attention, "num_heads", None)
    found = None
    if isinstance(attention, IN_WINDOWS):
        found = _windows(network, name)
    elif isinstance(count, int):
        found = _patches(network, name, count, event)
    expected = found and (IMAGES * found.windows, found.heads, found.tokens, found.tokens)
    if found is None or event.shape != expected:
        raise AnalysisError(
            f"attention {name!r} ({type(attention).__name__}) of {network.name} gives "
            f"{event.shape} for {IMAGES} images, not a map of patches on patches for each of "
            f"{count} heads; choose a plain ViT, or a Swin whose windows fill its grid"
        )
    return found


def _patches(network: Network, name: str, count: int, event: Event) -> AttentionBlock | None:
    """The block of an attention over all patches, or None where there is no grid for it."""
    layouts = Layouts(network)
    ratio = getattr(getattr(network.module, "patch_embed", None), "feat_ratio", None)
    if layouts.grid is None or ratio is None or event.shape is None:
        return None
    prefix = layouts.counts.get(event.shape[-1])  # None where so many tokens are no grid.
    if prefix is None:
        return None
    height, width = ratio(as_scalar=False)
    return AttentionBlock(name, count, layouts.grid, (int(height), int(width)), prefix)


def _windows(network: Network, name: str) -> AttentionBlock | None:
    """The block of an attention in windows, or None where they don't fill the stage's grid.

    Shifted windows hold pieces of far sides, but a mask keeps these from attending to each
    other, and within a piece distances are those in the window.
    """
    attention, block = _module(network, name), _module(network, name.rpartition(".")[0])
    rows, columns = getattr(block, "input_resolution", network.input_size[1:])
    down, across = attention.window_size  # type: ignore[misc]
    height, width = network.input_size[1:]
    if height % rows or width % columns or rows % down or columns % across:
        return None
    return AttentionBlock(
        module=name,
        heads=int(attention.num_heads),  # type: ignore[arg-type]
        grid=(int(down), int(across)),
        patch=(height // rows, width // columns),
        windows=(rows // down) * (columns // across),
    )


def _tap(block: AttentionBlock) -> Tap:
    """The tap at which the probabilities of ``block`` pass."""
    module = f"{block.module}.attn_drop"
    return Tap(
        name=f"{module}:input",
        module=module,
        side="input",
        call=0,
        calls=1,
        shape=(block.heads, block.tokens, block.tokens),
        depth=0.0,
        layout=Layout("other"),
    )
