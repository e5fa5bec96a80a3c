from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.tap import taps
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.patterns import parse


def wrap(module: nn.Module, *, channels: int = 3, size: int = 8) -> Network:
    return Network(
        name="tiny",
        module=module,
        input_size=(channels, size, size),
        data_config={},
        architecture="tiny",
    )


def small_vit(**arguments: Any) -> Network:
    small = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 2}
    return load(
        ModelSpec("small vit", timm="vit_tiny_patch16_224", arguments={**small, **arguments})
    )


class Unordered(nn.Module):
    """Registers its parts in another order than it runs them; calls one of them twice."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(6, 2)
        self.act = nn.ReLU(inplace=True)
        self.first = nn.Conv2d(3, 4, 3)
        self.second = nn.Conv2d(4, 6, 3)
        self.split = Split()
        self.never = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.second(self.act(self.first(x))))
        x, _ = self.split(x.mean((2, 3)), flags={"a": None})
        out: Tensor = self.last(x)
        return out


class Split(nn.Module):
    def forward(self, x: Tensor, flags: dict[str, None]) -> tuple[Tensor, dict[str, None]]:
        return x, flags


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("blocks.*", ["blocks.0", "blocks.11"], ["blocks", "blocks.0.attn", "xblocks.0"]),
        ("layer*.*", ["layer1.0", "layer4.10"], ["layer1", "layer1.0.conv1"]),
        ("**.conv1", ["conv1", "layer1.0.conv1"], ["layer1.0.conv10", "xconv1"]),
        ("blocks.**", ["blocks.0", "blocks.0.mlp.fc1"], ["blocks", "head"]),
        ("blocks.?", ["blocks.1"], ["blocks.11", "blocks.."]),
        ("blocks.1", ["blocks.1"], ["blocks.11", "blocksx1"]),
    ],
)
def test_a_star_stays_within_a_component_and_two_cross(
    pattern: str, matching: list[str], other: list[str]
) -> None:
    parsed = parse(pattern)
    assert all(parsed.matches(name) for name in matching)
    assert not any(parsed.matches(name) for name in other)


def test_taps_come_in_the_order_they_fire() -> None:
    found = taps(wrap(Unordered()), ["last", "act", "*"])
    names = [tap.name for tap in found]
    assert names == ["first", "act@0", "second", "act@1", "split", "last"]
    assert [tap.depth for tap in found] == sorted({tap.depth for tap in found})
    assert all(0 < tap.depth < 1 for tap in found)


def test_depth_runs_from_the_network_s_input_to_its_output_whatever_is_chosen() -> None:
    network = wrap(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)))
    every = taps(network, ["*", "*:input"])
    # Events: the network's input, four of its parts, the network's output.
    assert {tap.name: tap.depth for tap in every} == {
        "0:input": 1 / 5,
        "0": 2 / 5,
        "1:input": 3 / 5,
        "1": 4 / 5,
    }
    assert taps(network, ["1"])[0].depth == 4 / 5


def test_a_module_called_twice_gives_two_taps() -> None:
    network = wrap(Unordered())
    assert [tap.name for tap in taps(network, ["act"])] == ["act@0", "act@1"]
    second = taps(network, ["act@1:input"])
    assert [(tap.name, tap.shape, tap.call, tap.calls) for tap in second] == [
        ("act@1:input", (6, 4, 4), 1, 2)
    ]
    with pytest.raises(AnalysisError, match="'act' is called 2 times"):
        taps(network, ["act@2"])


def test_the_first_tensor_of_a_tuple_is_the_tap() -> None:
    assert [tap.shape for tap in taps(wrap(Unordered()), ["split", "split:input"])] == [(6,), (6,)]


def test_a_tap_named_by_two_patterns_appears_once() -> None:
    network = small_vit()
    once = taps(network, ["blocks.*"])
    assert taps(network, ["blocks.*", "blocks.1", "**.0", "blocks.0"])[-2:] == once
    assert taps(network, ["blocks", "blocks.*"]) == taps(network, "blocks")


def test_shapes_bytes_and_inputs_of_a_vit() -> None:
    network = small_vit()
    before, after, hidden = taps(
        network, ["blocks.1.norm2:input", "blocks.1.norm2", "blocks.1.mlp.act"]
    )
    assert (before.shape, after.shape, hidden.shape) == ((17, 24), (17, 24), (17, 96))
    assert before.name == "blocks.1.norm2:input"
    assert hidden.bytes_per_image == 17 * 96 * 4


def test_probing_leaves_random_state_hooks_and_weights_alone() -> None:
    network = small_vit()
    before, identity = torch.get_rng_state(), network.identity()
    taps(network, "paper")
    assert torch.equal(before, torch.get_rng_state())
    assert network.identity() == identity
    for module in network.module.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


@pytest.mark.parametrize(
    ("pattern", "offered"),
    [
        ("blocks.*.mlpp", "'blocks.*.mlp'"),
        ("block", "'blocks'"),
        ("blocks.*.nrom2:input", "'blocks.*.norm2:input'"),
        ("blocks.7", "'blocks.1'"),
        ("zzzzzzzzzzzzzzzz", "nearest: none"),
        ("", "nearest: none"),
    ],
)
def test_a_pattern_that_matches_nothing_offers_the_nearest(pattern: str, offered: str) -> None:
    with pytest.raises(AnalysisError) as caught:
        taps(small_vit(), ["blocks", pattern])
    message = str(caught.value)
    assert message.startswith(f"pattern {pattern!r} matched nothing in small vit")
    assert offered in message


def test_a_module_that_never_runs_is_named() -> None:
    with pytest.raises(AnalysisError, match=r"'never' never ran in the forward pass"):
        taps(wrap(Unordered()), ["never"])
    network = small_vit()
    for block in network.module.blocks:  # type: ignore[union-attr]
        block.attn.fused_attn = True  # type: ignore[union-attr]
    with pytest.raises(AnalysisError, match=r"never ran.*fused attention skips it"):
        taps(network, ["blocks.*.attn.attn_drop"])


class Windows(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, 3, 4, 4)


class Counts(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x > 0).sum((1, 2, 3))


@pytest.mark.parametrize("part", [Windows(), Counts()])
def test_outputs_without_an_image_axis_or_floats_are_no_taps(part: nn.Module) -> None:
    network = wrap(nn.Sequential(nn.Identity(), part))
    assert [tap.name for tap in taps(network, "**")] == ["0"]
    with pytest.raises(AnalysisError, match="'1' is no float tensor with the images"):
        taps(network, ["1"])


@pytest.mark.parametrize(("pattern", "said"), [("a:inputs", "':inputs'"), ("a@x", "call number")])
def test_an_unknown_suffix_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        taps(small_vit(), [pattern])


def test_no_patterns_is_refused() -> None:
    with pytest.raises(AnalysisError, match="no taps asked for"):
        taps(small_vit(), [])
