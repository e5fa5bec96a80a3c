"""Skip connections: the residual sums of a network, and the norms of skip and branch.

A residual sum adds a *branch* to its *skip*. ViT and Mixer blocks have two of them, a residual
unit of a ResNet one (He et al. 2016; Raghu et al. 2021, figure 7).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from timm.models import beit, eva, mlp_mixer, resnet, resnetv2
from timm.models import vision_transformer as vit
from timm.models import vision_transformer_relpos as relpos
from torch import Tensor, nn

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import summarise
from seelike.analysis.networks.recording.reduction import reduce

Branch = Literal["attention", "tokens", "mlp", "unit"]
Token = Literal["cls", "spatial"]
Array = npt.NDArray[np.float64]
_REDUCTIONS: dict[Token, str] = {"cls": "cls", "spatial": "tokens"}


@dataclass(frozen=True)
class Residual:
    """One residual sum: ``skip`` + ``branch`` = ``sum``, three taps of one block.

    Attributes:
        name: The block's name; where it has two sums, with a dot and the kind.
        block: Dotted name of the block.
        kind: The branch: ``attention`` or ``mlp`` of a ViT, ``tokens`` or ``mlp`` (channel MLP) of
            a Mixer, ``unit`` of a ResNet.
        skip: The stream before the sum.
        branch: The addend: after LayerScale and DropPath, after the last norm of a ResNet v1 unit
            (and its attention), the last convolution of a v2 unit.
        sum: The stream after the sum.
    """

    name: str
    block: str
    kind: Branch
    skip: Tap
    branch: Tap
    sum: Tap

    @property
    def depth(self) -> float:
        """Place of the sum in the network: 0 the input, 1 the output."""
        return self.sum.depth


@dataclass(frozen=True)
class ResidualNorms:
    """Norm ratios and cosines of skip and branch.

    Attributes:
        residuals: The residual sums.
        ratio: Norm of skip over norm of branch, (residual, image), float64, over channels: of the
            class token, or the mean over all patches or pixels.
        cosine: Cosine of the angle between skip and branch, (residual, image), float64.
    """

    residuals: tuple[Residual, ...]
    ratio: Array
    cosine: Array


@dataclass(frozen=True)
class _Places:
    """The taps of one sum of a block, relative to the block's name."""

    kind: Branch
    skip: str
    branch: str
    sum: str


# In evaluation DropPath is an identity, so that its output is where a branch ends.
_NORM_FIRST = (
    _Places("attention", ".norm1:input", ".drop_path1", ".norm2:input"),
    _Places("mlp", ".norm2:input", ".drop_path2", ""),
)
_NORM_LAST = (
    _Places("attention", ".attn:input", ".drop_path1", ".mlp:input"),
    _Places("mlp", ".mlp:input", ".drop_path2", ""),
)
_MIXER = (
    _Places("tokens", ".norm1:input", ".drop_path@0", ".norm2:input"),
    _Places("mlp", ".norm2:input", ".drop_path@1", ""),
)
_BLOCKS: dict[type[nn.Module], tuple[_Places, ...]] = {
    vit.Block: _NORM_FIRST,
    relpos.RelPosBlock: _NORM_FIRST,
    beit.Block: _NORM_FIRST,
    eva.EvaBlock: _NORM_FIRST,
    vit.ResPostBlock: _NORM_LAST,
    relpos.ResPostRelPosBlock: _NORM_LAST,
    eva.EvaBlockPostNorm: _NORM_LAST,
    mlp_mixer.MixerBlock: _MIXER,
    mlp_mixer.ResBlock: _MIXER,
}
# The modules that may end the branch of a residual unit (the last one that is not None does), and
# where the sum goes: into the activation, or out.
_UNITS: dict[type[nn.Module], tuple[tuple[str, ...], str]] = {
    resnet.BasicBlock: (("bn2", "se", "drop_path"), ".act2:input"),
    resnet.Bottleneck: (("bn3", "se", "drop_path"), ".act3:input"),
    resnetv2.Bottleneck: (("drop_path",), ".act3:input"),
    resnetv2.PreActBasic: (("drop_path",), ""),
    resnetv2.PreActBottleneck: (("drop_path",), ""),
}


def residuals(network: Network) -> tuple[Residual, ...]:
    """Find all residual sums of a network made of timm's ViT, Mixer or ResNet blocks, by depth.

    Blocks of other classes, subclasses included, are left out: see ``blocks_without_skips``. Runs
    one forward pass.

    Args:
        network: The network.

    Returns:
        One ``Residual`` per sum.

    Raises:
        AnalysisError: Where no block is of a known class.
    """
    places = {
        name: found for name, module in network.module.named_modules() if (found := _places(module))
    }
    if not places:
        raise AnalysisError(
            f"{network.name} ({network.architecture}) has no residual sums of timm's ViT, "
            f"Mixer and ResNet blocks; leave it out of skip connections"
        )
    names = {
        block + part
        for block, found in places.items()
        for one in found
        for part in (one.skip, one.branch, one.sum)
    }
    by_name = {tap.name: tap for tap in taps(network, sorted(names))}
    sums = [
        Residual(
            name=block if one.kind == "unit" else f"{block}.{one.kind}",
            block=block,
            kind=one.kind,
            skip=by_name[block + one.skip],
            branch=by_name[block + one.branch],
            sum=by_name[block + one.sum],
        )
        for block, found in places.items()
        for one in found
    ]
    return tuple(sorted(sums, key=lambda residual: residual.depth))


def _places(module: nn.Module) -> tuple[_Places, ...]:
    if type(module) not in _UNITS:
        return _BLOCKS.get(type(module), ())
    ends, total = _UNITS[type(module)]
    branch = [end for end in ends if getattr(module, end) is not None][-1]
    skip = ":input" if module.downsample is None else ".downsample"
    return (_Places("unit", skip, f".{branch}", total),)


def residual_norms(
    network: Network, batches: Iterable[Tensor], *, chosen: Sequence[Residual] | None = None
) -> dict[Token, ResidualNorms]:
    """Compute norm ratio and cosine of skip and branch at residual sums.

    At each token or pixel norms are over channels; then follows the mean over the tokens or pixels
    of an image. A ReLU may leave the skip of a pixel zero: its ratio is zero, and the cosine is the
    mean over the others.

    Args:
        network: The network.
        batches: Transformed images (n, c, h, w).
        chosen: The residual sums; all of the network if None.

    Returns:
        ``ResidualNorms`` by kind of token: ``spatial`` (patches or pixels), and ``cls`` where there
        is a class token; other tokens are left out.

    Raises:
        AnalysisError: Where a branch is zero, all skips of an image are zero, or a norm is not
            finite; and as ``residuals``.

    Source: Raghu et al. (2021), figure 7 and appendix E.

    Examples:
        ```python
        norms = residual_norms(vit, [images])["cls"]
        for residual, ratio in zip(norms.residuals, norms.ratio.mean(axis=1)):
            print(residual.name, ratio)
        ```
    """
    sums = residuals(network) if chosen is None else tuple(chosen)
    where = {tap.name: residual for residual in sums for tap in (residual.skip, residual.branch)}
    waiting: dict[str, Tensor] = {}
    found: dict[tuple[str, Token], list[Array]] = defaultdict(list)

    def compare(tap: Tap, x: Tensor) -> None:
        residual = where[tap.name]
        other = waiting.pop(residual.name, None)
        if other is None:
            # No copy: nothing writes into either of them before they are added.
            waiting[residual.name] = x
            return
        skip, branch = (x, other) if tap == residual.skip else (other, x)
        for token in _tokens(residual):
            numbers = _ratio_and_cosine(network, residual, token, skip, branch)
            found[residual.name, token].append(numbers)

    both = [tap for residual in sums for tap in (residual.skip, residual.branch)]
    for _ in summarise(network, both, batches, summary=compare):
        pass  # What compare found is all there is to keep.
    if not found:
        missing = "images" if sums else "residual sums"
        raise AnalysisError(f"no {missing} given for the skip connections of {network.name}")
    return {
        token: _joined([r for r in sums if token in _tokens(r)], token, found)
        for token in _REDUCTIONS
        if any(token in _tokens(residual) for residual in sums)
    }


def _tokens(residual: Residual) -> tuple[Token, ...]:
    return ("cls", "spatial") if residual.skip.layout.class_token else ("spatial",)


def _ratio_and_cosine(
    network: Network, residual: Residual, token: Token, skip: Tensor, branch: Tensor
) -> Array:
    """Mean over an image's tokens of norm ratio and cosine: (2, image)."""
    a = reduce(skip, residual.skip, _REDUCTIONS[token])
    b = reduce(branch, residual.branch, _REDUCTIONS[token])
    norms = [torch.linalg.vector_norm(x, dim=-1).double() for x in (a, b)]
    for side, norm in zip(("skip", "branch"), norms, strict=True):
        # The ratio of a skip of zero is a number, that of a branch of zero is none.
        silent = norm == 0 if side == "branch" else _all_silent(norm)
        bad = silent | ~norm.isfinite()
        if bad.any():
            value = float(norm[bad][0])
            raise AnalysisError(
                f"the norm of the {side} is {value:g} at {int(bad.sum())} of {bad.numel()} "
                f"{token} tokens of residual sum {residual.name!r} of {network.name}, expected "
                f"above zero and finite; leave this sum out, or load weights that make it so"
            )
    ratio = (norms[0] / norms[1]).reshape(len(a), -1)
    product = (a * b).sum(-1).double()
    cosine = (product / norms[0] / norms[1]).reshape(len(a), -1)
    # Where a skip is zero there is no angle, 0 / 0.
    return torch.stack([ratio.mean(-1), cosine.nanmean(-1)]).cpu().numpy()


def _all_silent(norm: Tensor) -> Tensor:
    """Mark images all of whose tokens have a norm of zero, from norms (image, ...)."""
    none = (norm.reshape(len(norm), -1) == 0).all(-1)
    return none.reshape(-1, *[1] * (norm.ndim - 1)).expand_as(norm)


def _joined(
    sums: Sequence[Residual], token: Token, found: dict[tuple[str, Token], list[Array]]
) -> ResidualNorms:
    both = np.stack([np.concatenate(found[r.name, token], axis=1) for r in sums], axis=1)
    return ResidualNorms(tuple(sums), ratio=both[0], cosine=both[1])
