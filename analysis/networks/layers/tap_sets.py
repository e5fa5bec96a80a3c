"""The named tap sets: ``blocks`` for every day, ``paper`` for the layers of the study.

``blocks`` is the stem and the output of every block. ``paper`` adds what Raghu et al. (2021)
record inside the blocks, about six layers per transformer block and seven per residual unit:

- ViT (DeiT, BEiT, EVA, Swin, ...): ``norm1``, ``attn`` (``ls1`` where LayerScale ends the
  branch), ``norm2:input`` (the stream after attention), ``norm2``, ``mlp.act``, the block;
  with ``patch_embed``, the first block's input (positions added) and ``norm`` ViT-L/16 has
  147, as many as the paper counts (it prints no list). What the MLP adds to the stream is
  left to a pattern: [paper, 'blocks.*.mlp'].
- Mixer: the same with ``mlp_tokens`` for attention and ``mlp_channels.act``; the hidden units
  of ``mlp_tokens`` have no spatial axis and are left out.
- ResNet v1: ``conv1``, ``act1``, ``conv2``, ``act2``, ``conv3``, ``bn3`` (the branch's end; a
  basic block has ``conv2``, ``bn2``), ``downsample``, the unit: 119 for ResNet-50.
- ResNet v2, BiT: ``norm1``, ``conv1``, ``norm2``, ``conv2``, ``norm3``, ``conv3``,
  ``downsample``, the unit: 119 for R50x1 (the paper counts 123).
- Other families: the parts that a block consists of, and the block.

Blocks are found by timm's own ``group_matcher``, which divides layers for layer-wise learning
rates; where a family has none, by its ``feature_info``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.events import Event, computes
from seelike.analysis.networks.network import Network

SETS = ("blocks", "paper")
# Taps of ``paper`` outside the blocks, beside the stem's output, where a network has them.
AROUND = ("conv1", "act1", "stem.conv", "norm")


def members(name: str, network: Network, fired: Sequence[Event]) -> tuple[str, ...]:
    """List the names of the taps of one set in a network.

    Args:
        name: ``blocks`` or ``paper``.
        network: The network.
        fired: The events of one forward pass.

    Raises:
        AnalysisError: Where the blocks of the network are not known.
    """
    parts = dict(network.module.named_modules())
    outputs = [e.module for e in fired if e.side == "output" and e.feature_shape is not None]
    repeated = set(units(network.module))
    blocks = list(dict.fromkeys(output for output in outputs if output in repeated))
    if not blocks:
        raise AnalysisError(
            f"tap set {name!r} finds no blocks in {network.name} ({network.architecture}); give "
            f"its layers as patterns, '**' for all"
        )
    stem = _stem(blocks[0], parts, fired)
    if name == "blocks":
        return (*stem, *blocks)
    chosen = [*stem, *AROUND]
    if getattr(network.module, "pos_embed", None) is not None:
        chosen.append(f"{blocks[0]}:input")
    for block in blocks:
        chosen += [f"{block}.{tap}" for tap in _inside(block, parts[block], outputs)]
        chosen.append(block)
    return tuple(tap for tap in chosen if _does_something(tap, parts))


def units(module: nn.Module) -> list[str]:
    """List the dotted names of the blocks that a timm network repeats, in its own order."""
    expressions = _block_expressions(module)
    names = [name for name, part in module.named_modules() if computes(part)]
    # Blocks are numbered, modules between stages are not.
    numbered = [name for name in names if name[-1:].isdecimal()]
    found = [name for name in numbered if any(e.fullmatch(name) for e in expressions)]
    if not found:
        found = [info["module"] for info in _feature_info(module)]
    inner = []
    for name in found:
        held = getattr(module.get_submodule(name), "blocks", None)
        if isinstance(held, nn.Sequential | nn.ModuleList):  # A stage, then, not a block.
            inner += [f"{name}.blocks.{child}" for child, _ in held.named_children()]
        else:
            inner.append(name)
    unique = list(dict.fromkeys(inner))
    return [n for n in unique if not any(other.startswith(f"{n}.") for other in unique)]


def _block_expressions(module: nn.Module) -> list[re.Pattern[str]]:
    """Timm's expressions for names of blocks; one without a group names one layer."""
    if not hasattr(module, "group_matcher"):
        return []
    matcher = module.group_matcher(coarse=False)  # type: ignore[operator]
    if not isinstance(matcher, dict):
        return []
    expressions = []
    for key, value in matcher.items():
        for entry in [value] if isinstance(value, str) else value:
            text = entry if isinstance(entry, str) else entry[0]
            expression = re.compile(text)
            if key != "stem" and expression.groups:
                expressions.append(expression)
    return expressions


def _feature_info(module: nn.Module) -> list[dict[str, Any]]:
    info = getattr(module, "feature_info", [])
    return list(info) if isinstance(info, list | tuple) else list(info.info)


def _stem(block: str, parts: Mapping[str, nn.Module], fired: Sequence[Event]) -> list[str]:
    """The output that goes into the first block: that of the last module before it."""
    start = next(i for i, e in enumerate(fired) if e.module == block and e.side == "input")
    before = [e.module for e in fired[:start] if e.side == "output" and e.feature_shape is not None]
    # Not the norm of CLIP's ViTs, which comes after the patches have become a stream.
    if "patch_embed" in before:
        return ["patch_embed"]
    return [name for name in before if computes(parts[name])][-1:]


def _inside(block: str, part: nn.Module, outputs: Sequence[str]) -> list[str]:
    """The taps of ``paper`` inside a block, relative to it."""
    has = {name for name, _ in part.named_children()}
    if has >= {"norm1", "attn", "norm2", "mlp"}:
        return _transformer(block, part, outputs)
    if has >= {"norm1", "mlp_tokens", "norm2", "mlp_channels"}:
        return ["norm1", "mlp_tokens", "norm2:input", "norm2", "mlp_channels.act"]
    if has >= {"norm1", "conv1", "norm2", "conv2"}:
        return ["norm1", "conv1", "norm2", "conv2", "norm3", "conv3", "downsample"]
    if has >= {"conv1", "bn1", "act1", "conv2", "bn2", "conv3", "bn3"}:
        return ["conv1", "act1", "conv2", "act2", "conv3", "bn3", "se", "downsample"]
    if has >= {"conv1", "bn1", "act1", "conv2", "bn2"}:
        return ["conv1", "act1", "conv2", "bn2", "se", "downsample"]
    return [name for name, _ in part.named_children()]


def _transformer(block: str, part: nn.Module, outputs: Sequence[str]) -> list[str]:
    order = {name.removeprefix(f"{block}."): place for place, name in enumerate(outputs)}
    if order.get("mlp", 0) < order.get("norm2", 0):  # Norms after the branches, as in Swin v2.
        return ["attn", "norm1", "mlp:input", "mlp.act", "norm2"]
    # Where attention goes by windows, attn sees windows for images, as in Swin and SAM.
    branch = "drop_path1" if hasattr(part, "window_size") else "attn"
    if computes(getattr(part, "ls1", nn.Identity())):
        branch = "ls1"
    return ["norm1", branch, "norm2:input", "norm2", "mlp.act"]


def _does_something(tap: str, parts: Mapping[str, nn.Module]) -> bool:
    name, _, _ = tap.partition(":")
    return name in parts and (computes(parts[name]) or name.endswith(".drop_path1"))
