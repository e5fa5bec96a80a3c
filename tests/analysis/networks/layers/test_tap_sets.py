from collections import Counter
from typing import Any

import pytest
from torch import nn

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.tap import taps
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.loading.zoo import FAMILIES
from seelike.analysis.networks.network import Network

AT_32 = {"pretrained_cfg_overlay": {"input_size": [3, 32, 32]}}
VIT = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 2}


def network(timm: str, arguments: dict[str, Any]) -> Network:
    return load(ModelSpec(timm, timm=timm, arguments=arguments))


def names(network: Network, name: str) -> list[str]:
    return [tap.name for tap in taps(network, name)]


def inside(names: list[str], block: str) -> list[str]:
    return [name.removeprefix(block).lstrip(".") for name in names if name.startswith(block)]


def test_blocks_of_a_vit() -> None:
    assert names(network("vit_tiny_patch16_224", VIT), "blocks") == [
        "patch_embed",
        "blocks.0",
        "blocks.1",
    ]


def test_paper_has_six_taps_per_vit_block() -> None:
    found = names(network("vit_tiny_patch16_224", VIT), "paper")
    six = ["norm1", "attn", "norm2:input", "norm2", "mlp.act", ""]
    assert inside(found, "blocks.1") == six
    assert found[:2] == ["patch_embed", "blocks.0:input"]
    assert found[-1] == "norm"


def test_with_layer_scale_the_branch_ends_at_ls1() -> None:
    found = names(network("deit3_small_patch16_224", VIT), "paper")
    assert inside(found, "blocks.1") == ["norm1", "ls1", "norm2:input", "norm2", "mlp.act", ""]


def test_norms_after_the_branches_end_them() -> None:
    small = {"img_size": 32, "patch_size": 4, "embed_dim": 24, "depths": [1, 1], "window_size": 4}
    found = names(network("swinv2_tiny_window8_256", {**small, "num_heads": [2, 4]}), "paper")
    assert inside(found, "layers.0.blocks.0") == ["norm1", "mlp:input", "mlp.act", "norm2", ""]


def test_swin_ends_attention_where_its_windows_are_images_again() -> None:
    small = {"img_size": 32, "embed_dim": 24, "depths": [1, 1], "window_size": 4}
    swin = network("swin_tiny_patch4_window7_224", {**small, "num_heads": [2, 4]})
    assert names(swin, "blocks") == ["patch_embed", "layers.0.blocks.0", "layers.1.blocks.0"]
    for block in ("layers.0.blocks.0", "layers.1.blocks.0"):
        assert inside(names(swin, "paper"), block) == [
            "norm1",
            "drop_path1",
            "norm2:input",
            "norm2",
            "mlp.act",
            "",
        ]


def test_a_mixer() -> None:
    mixer = network("mixer_s32_224", {"img_size": 64})
    assert names(mixer, "blocks") == ["stem", *(f"blocks.{i}" for i in range(8))]
    assert inside(names(mixer, "paper"), "blocks.1") == [
        "norm1",
        "mlp_tokens",
        "norm2:input",
        "norm2",
        "mlp_channels.act",
        "",
    ]


def test_resnets_with_basic_blocks() -> None:
    resnet = network("resnet18", {**AT_32, "channels": [8, 8, 16, 16]})
    stages = [f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1)]
    assert names(resnet, "blocks") == ["maxpool", *stages]
    found = names(resnet, "paper")
    assert inside(found, "layer2.0") == ["conv1", "act1", "conv2", "bn2", "downsample", ""]
    assert inside(found, "layer2.1") == ["conv1", "act1", "conv2", "bn2", ""]


def test_the_stem_is_what_feeds_the_first_block() -> None:
    zoo = load(ModelSpec("zoo", zoo="resnet"))  # Its maxpool is an identity.
    assert names(zoo, "blocks")[0] == "act1"


@pytest.mark.parametrize(
    ("timm", "channels", "unit", "seven"),
    [
        (
            "resnet50",
            [8, 8, 16, 16],
            "layer1.1",
            ["conv1", "act1", "conv2", "act2", "conv3", "bn3", ""],
        ),
        (
            "resnetv2_50x1_bit",
            [128, 128, 128, 128],
            "stages.0.blocks.1",
            ["norm1", "conv1", "norm2", "conv2", "norm3", "conv3", ""],
        ),
    ],
)
def test_paper_has_seven_taps_per_bottleneck(
    timm: str, channels: list[int], unit: str, seven: list[str]
) -> None:
    found = names(network(timm, {**AT_32, "channels": channels}), "paper")
    assert inside(found, unit) == seven
    # 16 units of seven, four downsamples, three around them; the paper counts 123.
    assert len(found) == 16 * 7 + 4 + 3


def test_paper_counts_147_layers_in_a_vit_of_24_blocks_as_the_paper_does() -> None:
    assert len(names(network("vit_large_patch16_224", {**VIT, "depth": 24}), "paper")) == 147


@pytest.mark.parametrize(
    ("timm", "arguments", "blocks"),
    [
        ("convnext_atto", {**AT_32, "depths": [1, 1, 1, 1], "dims": [8, 8, 16, 16]}, 4),
        ("efficientnet_b0", AT_32, 16),
        ("densenet121", {**AT_32, "block_config": [2, 2], "growth_rate": 4}, 4 + 1),
        ("regnetx_002", AT_32, 13),
    ],
)
def test_other_families_by_timm_s_own_division(
    timm: str, arguments: dict[str, Any], blocks: int
) -> None:
    other = network(timm, arguments)
    found = names(other, "blocks")
    assert len(found) == 1 + blocks
    assert set(found) < set(names(other, "paper"))


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("tap_set", ["blocks", "paper"])
def test_the_zoo_has_taps_without_duplicates(family: str, tap_set: str) -> None:
    found = taps(load(ModelSpec(family, zoo=family)), tap_set)
    assert all(count == 1 for count in Counter(tap.name for tap in found).values())
    assert len(found) > 8
    assert not [tap.name for tap in found if tap.layout.kind == "other"]


def test_a_network_without_known_blocks_asks_for_patterns() -> None:
    plain = Network(
        name="plain",
        module=nn.Sequential(nn.Flatten(), nn.Linear(12, 2)),
        input_size=(3, 2, 2),
        data_config={},
        architecture="plain",
    )
    with pytest.raises(AnalysisError, match=r"'paper' finds no blocks in plain.*patterns"):
        taps(plain, "paper")
