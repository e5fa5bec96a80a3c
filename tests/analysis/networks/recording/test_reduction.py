from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.reduction import REDUCTIONS, reduce, reduced_shape

VIT = {"img_size": 32, "patch_size": 8, "depth": 1, "embed_dim": 24, "num_heads": 2}


def network(timm: str, **arguments: Any) -> Network:
    return load(ModelSpec(timm, timm=timm, arguments=arguments))


def tap(network: Network, pattern: str) -> Tap:
    (found,) = taps(network, [pattern])
    return found


def values(tap: Tap) -> Tensor:
    return torch.randn((3, *tap.shape), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def vit() -> Network:
    return network("vit_tiny_patch16_224", **VIT)


@pytest.fixture(scope="module")
def registers() -> Network:
    return network("vit_small_patch14_reg4_dinov2", **{**VIT, "img_size": 32})


@pytest.fixture(scope="module")
def mixer() -> Network:
    return network("mixer_s32_224", img_size=96)


@pytest.fixture(scope="module")
def swin() -> Network:
    small = {"img_size": 32, "embed_dim": 24, "depths": [1, 1], "num_heads": [2, 4]}
    return network("swin_tiny_patch4_window7_224", **small, window_size=4)


@pytest.fixture(scope="module")
def resnet() -> Network:
    at_64 = {"input_size": [3, 64, 64]}
    return network("resnet18", pretrained_cfg_overlay=at_64, channels=[8, 8, 16, 16])


def test_tokens_behind_a_class_token(vit: Network) -> None:
    block = tap(vit, "blocks.0")
    x = values(block)
    assert torch.equal(reduce(x, block, "flatten"), x)
    assert torch.equal(reduce(x, block, "cls"), x[:, 0, :])
    assert torch.equal(reduce(x, block, "tokens"), x[:, 1:, :])
    torch.testing.assert_close(reduce(x, block, "mean"), x[:, 1:, :].sum(1) / 16)


def test_the_patches_before_the_class_token_joins_are_all_spatial(vit: Network) -> None:
    stem = tap(vit, "patch_embed")
    x = values(stem)
    assert stem.shape == (16, 24)
    assert torch.equal(reduce(x, stem, "tokens"), x)
    with pytest.raises(AnalysisError, match=r"'patch_embed' has no class token.*'mean'"):
        reduce(x, stem, "cls")


def test_registers_are_left_out_with_the_class_token(registers: Network) -> None:
    block = tap(registers, "blocks.0")
    x = values(block)
    assert block.shape == (16 + 5, 24)
    assert torch.equal(reduce(x, block, "cls"), x[:, 0])
    assert torch.equal(reduce(x, block, "tokens"), x[:, 5:])


def test_without_a_class_token_a_register_is_not_taken_for_one() -> None:
    gap = network("vit_medium_patch16_reg4_gap_256", **VIT)
    block = tap(gap, "blocks.0")
    assert block.shape == (16 + 4, 24)
    assert reduced_shape(block, "tokens") == (16, 24)
    with pytest.raises(AnalysisError, match="no class token"):
        reduced_shape(block, "cls")


def test_channels_first_maps(resnet: Network) -> None:
    unit = tap(resnet, "layer2.0")
    x = values(unit)
    assert unit.shape == (8, 8, 8)  # Reads as channels first and as channels last.
    torch.testing.assert_close(reduce(x, unit, "mean"), x.sum((2, 3)) / 64)
    tokens = reduce(x, unit, "tokens")
    assert tokens.shape == (3, 64, 8)
    assert torch.equal(tokens[:, 8 * 2 + 5, :], x[:, :, 2, 5])


def test_channels_last_maps(swin: Network) -> None:
    block = tap(swin, "layers.0.blocks.0")
    x = values(block)
    assert block.shape == (8, 8, 24)
    torch.testing.assert_close(reduce(x, block, "mean"), x.sum((1, 2)) / 64)
    assert torch.equal(reduce(x, block, "tokens")[:, 8 * 2 + 5, :], x[:, 2, 5, :])


def test_tokens_of_a_network_that_tells_no_patch_grid_of_its_own(swin: Network) -> None:
    hidden = tap(swin, "layers.1.blocks.0.mlp.act")
    assert hidden.shape == (16, 4 * 48)
    assert torch.equal(reduce(values(hidden), hidden, "tokens"), values(hidden))


def test_the_transposed_tokens_of_a_mixer(mixer: Network) -> None:
    mixing = tap(mixer, "blocks.1.mlp_tokens")
    x = values(mixing)
    assert mixing.shape == (512, 9)
    torch.testing.assert_close(reduce(x, mixing, "mean"), x.sum(2) / 9)
    assert torch.equal(reduce(x, mixing, "tokens")[:, 4, :], x[:, :, 4])


def test_what_has_no_spatial_axis_is_refused_unless_flattened(mixer: Network) -> None:
    hidden = tap(mixer, "blocks.1.mlp_tokens.fc1")
    assert torch.equal(reduce(values(hidden), hidden, "flatten"), values(hidden))
    for reduction in ("mean", "tokens"):
        with pytest.raises(AnalysisError, match=r"mlp_tokens.fc1' of shape \(512, 256\) has no"):
            reduce(values(hidden), hidden, reduction)


@pytest.mark.parametrize("reduction", ["flatten", "mean", "tokens"])
def test_vectors_pass_unchanged(resnet: Network, reduction: str) -> None:
    pooled = tap(resnet, "global_pool")
    assert pooled.shape == (16,)
    assert torch.equal(reduce(values(pooled), pooled, reduction), values(pooled))


def test_class_tokens_alone_have_no_mean() -> None:
    cait = network("cait_xxs24_224", img_size=32, patch_size=8, depth=1, embed_dim=24, num_heads=2)
    (alone,) = taps(cait, ["blocks_token_only.0"])
    assert torch.equal(reduce(values(alone), alone, "cls"), values(alone)[:, 0])
    with pytest.raises(AnalysisError, match="only class tokens"):
        reduced_shape(alone, "mean")


@pytest.mark.parametrize("name", ["vit", "registers", "mixer", "swin", "resnet"])
def test_reduced_shape_is_the_shape_of_what_reduce_gives(
    name: str, request: pytest.FixtureRequest
) -> None:
    for found in taps(request.getfixturevalue(name), ["**", "**:input"]):
        for reduction in REDUCTIONS:
            try:
                expected = reduced_shape(found, reduction)
            except AnalysisError as error:
                with pytest.raises(AnalysisError) as caught:
                    reduce(values(found), found, reduction)
                assert str(caught.value) == str(error)
            else:
                assert reduce(values(found), found, reduction).shape == (3, *expected)


@pytest.mark.parametrize("name", ["vit", "registers", "mixer", "swin", "resnet"])
def test_the_named_sets_have_a_mean_everywhere(name: str, request: pytest.FixtureRequest) -> None:
    for found in taps(request.getfixturevalue(name), ["blocks", "paper"]):
        assert len(reduced_shape(found, "mean")) == 1


class Stretched(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.last = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.conv(x).permute(0, 2, 3, 1))
        return out


def test_an_oblong_map_is_known_by_its_sides() -> None:
    oblong = Network(
        name="oblong",
        module=Stretched(),
        input_size=(3, 9, 15),
        data_config={},
        architecture="oblong",
    )
    first, last = taps(oblong, ["conv", "last"])
    assert (first.shape, first.layout.kind) == ((5, 5, 8), "map")
    assert (last.shape, last.layout.kind) == ((5, 8, 5), "map_last")


def test_an_unknown_reduction_offers_the_nearest(vit: Network) -> None:
    with pytest.raises(AnalysisError, match="unknown reduction 'means'; nearest: 'mean'"):
        reduced_shape(tap(vit, "blocks.0"), "means")
