"""Residual sums: what is found, norms and ablation against forward passes written out by hand."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.anatomy.ablation import without_skip
from seelike.analysis.networks.anatomy.residuals import Residual, residual_norms, residuals
from seelike.analysis.networks.layers.tap import taps
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import record

AT_32 = {"pretrained_cfg_overlay": {"input_size": [3, 32, 32]}}
VIT = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 2}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("vit_tiny_patch16_224", VIT),
    "layer scale": ("vit_tiny_patch16_224", {**VIT, "init_values": 0.3, "drop_path_rate": 0.2}),
    "registers": (
        "vit_tiny_patch16_224",
        {**VIT, "reg_tokens": 3, "class_token": False, "global_pool": "avg"},
    ),
    "distilled": ("deit_tiny_distilled_patch16_224", VIT),
    "norm last": ("vit_base_patch16_rpn_224", VIT),
    "relpos": ("vit_relpos_small_patch16_224", VIT),
    "relpos, norm last": ("vit_relpos_base_patch32_plus_rpn_256", {**VIT, "img_size": 32}),
    "beit": ("beit_base_patch16_224", {**VIT, "drop_path_rate": 0.1}),
    "eva": ("eva02_tiny_patch14_224", VIT),
    "eva, norm last": ("eva02_enormous_patch14_clip_224", VIT),
    "mixer": ("mixer_s32_224", {"img_size": 64}),
    "resmlp": ("resmlp_12_224", {"img_size": 64}),
    "resnet18": ("resnet18", {**AT_32, "channels": [8, 8, 16, 16], "drop_path_rate": 0.1}),
    "resnet50": ("resnet50d", {**AT_32, "channels": [8, 8, 16, 16]}),
    "se": ("seresnet50", {**AT_32, "channels": [16, 16, 16, 16]}),
    "bit": ("resnetv2_50x1_bit", {**AT_32, "channels": [128, 128, 128, 128]}),
    "v2 without": ("resnetv2_50", {**AT_32, "channels": [32, 32, 32, 32], "preact": False}),
    "v2 basic": ("resnetv2_18", {**AT_32, "channels": [16, 16, 16, 16]}),
}


def network(name: str) -> Network:
    timm, arguments = NETWORKS[name]
    # Zero-initialised branches would be constant.
    if "resnet" in timm:
        arguments = {**arguments, "zero_init_last": False}
    loaded = load(ModelSpec(name, timm=timm, arguments=arguments))
    generator = torch.Generator().manual_seed(1)
    for parameter in loaded.module.parameters():  # No bias, scale or head stays 0 or 1.
        deviation = 0.2 if parameter.ndim == 1 else 0.01
        parameter += deviation * torch.randn(parameter.shape, generator=generator)
    return loaded


def images(loaded: Network, count: int = 3) -> Tensor:
    return torch.randn((count, *loaded.input_size), generator=torch.Generator().manual_seed(5))


def named(loaded: Network, name: str) -> Residual:
    return next(residual for residual in residuals(loaded) if residual.name == name)


def into(loaded: Network, block: str, x: Tensor) -> Tensor:
    """What goes into a block when the network sees ``x``."""
    (recorded,) = record(loaded, taps(loaded, [f"{block}:input"]), [x])
    return torch.from_numpy(recorded[f"{block}:input"])


@pytest.mark.parametrize("name", NETWORKS)
def test_skip_and_branch_add_up_to_the_sum(name: str) -> None:
    loaded = network(name)
    sums = residuals(loaded)
    names = [tap.name for r in sums for tap in (r.skip, r.branch, r.sum)]
    (recorded,) = record(loaded, taps(loaded, names), [images(loaded)])
    for r in sums:
        skip, branch, total = (recorded[tap.name] for tap in (r.skip, r.branch, r.sum))
        assert np.linalg.norm(branch) > 0
        np.testing.assert_allclose(skip + branch, total, atol=2e-5, err_msg=r.name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vit", ["blocks.0.attention", "blocks.0.mlp", "blocks.1.attention", "blocks.1.mlp"]),
        ("mixer", [f"blocks.{i}.{kind}" for i in range(8) for kind in ("tokens", "mlp")]),
        ("resnet18", [f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1)]),
    ],
)
def test_all_sums_are_named_in_the_order_of_depth(name: str, expected: list[str]) -> None:
    sums = residuals(network(name))
    assert [residual.name for residual in sums] == expected
    assert [r.depth for r in sums] == sorted({r.depth for r in sums})
    assert all(0 < r.depth < 1 for r in sums)


def test_a_network_without_known_blocks_is_named() -> None:
    plain = Network("plain", nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (3, 2, 2), {}, "own")
    with pytest.raises(AnalysisError, match=r"^plain \(own\) has no residual sums"):
        residuals(plain)
    with pytest.raises(AnalysisError, match="has no residual sums"):
        residual_norms(plain, [torch.ones(1, 3, 2, 2)])


Pair = tuple[Tensor, Tensor]


def vit_by_hand(block: Any, x: Tensor, *, without: str = "") -> tuple[dict[str, Pair], Tensor]:
    """Skip and branch of both sums, and the output, of a ViT block with LayerScale."""
    pairs = {"attention": (x, block.attn(block.norm1(x)) * block.ls1.gamma)}
    x = pairs["attention"][1] if without == "attention" else sum(pairs["attention"])  # type: ignore[assignment]
    pairs["mlp"] = (x, block.mlp(block.norm2(x)) * block.ls2.gamma)
    x = pairs["mlp"][1] if without == "mlp" else sum(pairs["mlp"])  # type: ignore[assignment]
    return pairs, x


def mixer_by_hand(block: Any, x: Tensor, *, without: str = "") -> tuple[dict[str, Pair], Tensor]:
    pairs = {"tokens": (x, block.mlp_tokens(block.norm1(x).mT).mT)}
    x = pairs["tokens"][1] if without == "tokens" else sum(pairs["tokens"])  # type: ignore[assignment]
    pairs["mlp"] = (x, block.mlp_channels(block.norm2(x)))
    x = pairs["mlp"][1] if without == "mlp" else sum(pairs["mlp"])  # type: ignore[assignment]
    return pairs, x


def basic_by_hand(block: Any, x: Tensor, *, without: str = "") -> tuple[dict[str, Pair], Tensor]:
    skip = x if block.downsample is None else block.downsample(x)
    branch = block.bn2(block.conv2(block.bn1(block.conv1(x)).clamp(min=0)))
    total = branch if without == "unit" else skip + branch
    return {"unit": (skip, branch)}, total.clamp(min=0)


def preact_by_hand(block: Any, x: Tensor, *, without: str = "") -> tuple[dict[str, Pair], Tensor]:
    first = block.norm1(x)
    skip = x if block.downsample is None else block.downsample(first)
    branch = block.conv3(block.norm3(block.conv2(block.norm2(block.conv1(first)))))
    return {"unit": (skip, branch)}, branch if without == "unit" else skip + branch


HANDS: dict[tuple[str, str], Callable[..., tuple[dict[str, Pair], Tensor]]] = {
    ("layer scale", "blocks.0"): vit_by_hand,
    ("layer scale", "blocks.1"): vit_by_hand,
    ("mixer", "blocks.0"): mixer_by_hand,
    ("mixer", "blocks.1"): mixer_by_hand,
    ("resnet18", "layer1.1"): basic_by_hand,
    ("resnet18", "layer2.0"): basic_by_hand,
    ("bit", "stages.0.blocks.0"): preact_by_hand,
    ("bit", "stages.1.blocks.1"): preact_by_hand,
}


def at_locations(x: Tensor) -> Tensor:
    """(image, location, channel), from tokens or a map."""
    return x if x.ndim == 3 else x.permute(0, 2, 3, 1).flatten(1, 2)


@pytest.mark.parametrize(("name", "block"), HANDS)
def test_norms_are_those_of_a_forward_pass_by_hand(name: str, block: str) -> None:
    loaded = network(name)
    x = images(loaded, 4)
    pairs, _ = HANDS[name, block](loaded.module.get_submodule(block), into(loaded, block, x))
    found = residual_norms(loaded, x.split(2))
    assert set(found) == ({"cls", "spatial"} if name == "layer scale" else {"spatial"})
    for kind, (skip, branch) in pairs.items():
        s, b = at_locations(skip).double(), at_locations(branch).double()
        ratio = s.square().sum(-1).sqrt() / b.square().sum(-1).sqrt()
        cosine = (s * b).sum(-1) / (s.square().sum(-1) * b.square().sum(-1)).sqrt()
        for token, norms in found.items():
            tokens = slice(0, 1) if token == "cls" else slice("cls" in found, None)
            where = [(r.block, r.kind) for r in norms.residuals].index((block, kind))  # type: ignore[arg-type]
            for measured, by_hand in ((norms.ratio, ratio), (norms.cosine, cosine)):
                assert measured.dtype == np.float64
                assert measured.shape == (len(norms.residuals), 4)
                expected = by_hand[:, tokens].mean(1)
                np.testing.assert_allclose(measured[where], expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "block"), HANDS)
def test_without_a_skip_a_block_gives_what_its_branch_does_by_hand(name: str, block: str) -> None:
    loaded = network(name)
    x = images(loaded)
    module, inside = loaded.module.get_submodule(block), into(loaded, block, x)
    before, state = loaded.module(x), dict(vars(module))
    for residual in (r for r in residuals(loaded) if r.block == block):
        _, expected = HANDS[name, block](module, inside, without=residual.kind)
        with without_skip(loaded, residual):
            (recorded,) = record(loaded, taps(loaded, [block, f"{block}:input"]), [x])
            assert not torch.equal(loaded.module(x), before)
        np.testing.assert_allclose(recorded[block], expected.numpy(), rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(recorded[f"{block}:input"], inside.numpy())
    assert torch.equal(loaded.module(x), before)
    assert dict(vars(module)) == state
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in loaded.module.modules())


@pytest.mark.parametrize("order", [("attention", "mlp"), ("mlp", "attention")])
def test_both_skips_of_a_block_go_in_any_order(order: tuple[str, str]) -> None:
    loaded = network("layer scale")
    x, block = images(loaded), loaded.module.get_submodule("blocks.1")
    pairs, _ = vit_by_hand(block, into(loaded, "blocks.1", x), without="attention")
    before = loaded.module(x)
    with ExitStack() as stack:
        for kind in order:
            stack.enter_context(without_skip(loaded, named(loaded, f"blocks.1.{kind}")))
        (recorded,) = record(loaded, taps(loaded, ["blocks.1"]), [x])
    np.testing.assert_allclose(recorded["blocks.1"], pairs["mlp"][1].numpy(), atol=1e-6)
    assert torch.equal(loaded.module(x), before)


@pytest.mark.parametrize("name", NETWORKS)
def test_without_its_skip_every_sum_is_its_branch(name: str) -> None:
    loaded = network(name)
    x = images(loaded)
    for residual in residuals(loaded)[:4]:
        chosen = taps(loaded, [residual.branch.name, residual.sum.name])
        with without_skip(loaded, residual):
            (recorded,) = record(loaded, chosen, [x])
        branch, total = recorded[residual.branch.name], recorded[residual.sum.name]
        np.testing.assert_array_equal(total, branch, err_msg=residual.name)


def test_the_skip_comes_back_after_a_failure() -> None:
    loaded = network("vit")
    x = images(loaded)
    before = loaded.module(x)
    for residual in residuals(loaded):
        with pytest.raises(RuntimeError, match="out of luck"), without_skip(loaded, residual):
            raise RuntimeError("out of luck")
    assert torch.equal(loaded.module(x), before)


def test_a_residual_sum_of_another_network_is_refused() -> None:
    foreign = without_skip(network("vit"), residuals(network("resnet18"))[0])
    with pytest.raises(AnalysisError, match=r"vit has no residual sum 'layer1.0'"), foreign:
        pass


def test_a_branch_of_zero_is_an_error_and_never_infinity() -> None:
    loaded = network("layer scale")
    loaded.module.blocks[1].ls2.gamma.zero_()  # type: ignore[index, union-attr]
    with pytest.raises(
        AnalysisError, match=r"norm of the branch is 0 at 3 of 3 cls.*'blocks.1.mlp' of layer scale"
    ):
        residual_norms(loaded, [images(loaded)])


def test_a_skip_of_zero_has_a_ratio_of_zero_and_no_angle() -> None:
    """Every other pixel of the skip is silent, as after a ReLU: half the ratio, the same angle."""

    class Same(nn.Module):
        def forward(self, x: Tensor, **_: Any) -> Tensor:
            return x

    class One(nn.Module):
        def forward(self, x: Tensor, **_: Any) -> Tensor:
            return torch.ones_like(x)

    class Silence(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            rest = torch.ones_like(x)
            rest[:, 1::2] = 0
            return rest

    loaded = network("vit")
    block: Any = loaded.module.get_submodule("blocks.0")
    loaded.module.norm_pre = Silence()  # type: ignore[assignment]
    block.norm1, block.attn = nn.Identity(), One()
    chosen = [named(loaded, "blocks.0.attention")]
    norms = residual_norms(loaded, [images(loaded)], chosen=chosen)["spatial"]
    spatial = torch.arange(1, 1 + loaded.module.patch_embed.num_patches)  # type: ignore
    expected = float((spatial % 2 == 0).float().mean())
    np.testing.assert_allclose(norms.ratio, expected, rtol=1e-6)
    np.testing.assert_allclose(norms.cosine, 1, rtol=1e-6)
    block.attn = Same()
    with pytest.raises(AnalysisError, match="norm of the branch is 0"):
        residual_norms(loaded, [images(loaded)], chosen=chosen)


def test_infinite_norms_are_an_error() -> None:
    loaded = network("resnet18")
    x = images(loaded)
    x[1, 0, 0, 0] = torch.inf
    with pytest.raises(AnalysisError, match="expected above zero and finite"):
        residual_norms(loaded, [x])


def test_nothing_to_compare_is_an_error() -> None:
    loaded = network("vit")
    with pytest.raises(AnalysisError, match=r"no images given .* of vit"):
        residual_norms(loaded, [])
    with pytest.raises(AnalysisError, match=r"no residual sums given .* of vit"):
        residual_norms(loaded, [images(loaded)], chosen=[])


def test_a_skip_against_itself() -> None:
    """A block whose branch is half its skip: ratio 2, cosine 1."""

    class Half(nn.Module):
        def forward(self, x: Tensor, **_: Any) -> Tensor:
            return x / 2

    loaded = network("vit")
    block: Any = loaded.module.get_submodule("blocks.0")
    block.norm1, block.attn = nn.Identity(), Half()
    chosen = [named(loaded, "blocks.0.attention")]
    for norms in residual_norms(loaded, [images(loaded)], chosen=chosen).values():
        assert norms.residuals == tuple(chosen)
        np.testing.assert_allclose(norms.ratio, 2, rtol=1e-6)
        np.testing.assert_allclose(norms.cosine, 1, rtol=1e-6)
