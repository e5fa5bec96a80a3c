"""Receptive fields: those known in theory, finite differences, and what numbers say of them."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from analysis.errors import AnalysisError
from analysis.networks.field_numbers import (
    Patch,
    by_distance,
    centre_share,
    radius,
    radius_within,
)
from analysis.networks.models import ModelSpec, load
from analysis.networks.network import Network
from analysis.networks.receptive_fields import (
    centre_patch,
    receptive_field,
    receptive_fields,
    receptive_fields_by_batch,
)
from analysis.networks.tap import Tap, taps

VIT = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 2}


def wrap(module: nn.Module, *, size: tuple[int, int] = (15, 15), channels: int = 3) -> Network:
    return Network("tiny", module, (channels, *size), {}, "tiny")


def images(network: Network, count: int = 4) -> Tensor:
    return torch.randn((count, *network.input_size), generator=torch.Generator().manual_seed(5))


def one(network: Network, name: str) -> Tap:
    (tap,) = taps(network, [name])
    return tap


def field(network: Network, name: str, count: int = 4) -> np.ndarray:
    return receptive_field(network, one(network, name), [images(network, count)])


def constant(convolution: nn.Conv2d) -> nn.Conv2d:
    nn.init.constant_(convolution.weight, 0.3)
    return convolution


def small_vit(**arguments: Any) -> Network:
    return load(ModelSpec("vit", timm="vit_tiny_patch16_224", arguments={**VIT, **arguments}))


@pytest.mark.parametrize("size", [(15, 15), (16, 16), (15, 20)])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_stack_of_equal_convolutions_has_the_field_of_theory(
    size: tuple[int, int], depth: int
) -> None:
    stack = nn.Sequential(
        *(constant(nn.Conv2d(3 if i == 0 else 2, 2, 3, padding=1)) for i in range(depth))
    )
    found = field(wrap(stack, size=size), str(depth - 1))
    # The box filter of width 3, depth times: (1, 1, 1), (1, 2, 3, 2, 1), ...
    box = np.ones(1)
    for _ in range(depth):
        box = np.convolve(box, np.ones(3))
    rows, columns = np.zeros(size[0]), np.zeros(size[1])
    rows[size[0] // 2 - depth : size[0] // 2 + depth + 1] = box
    columns[size[1] // 2 - depth : size[1] // 2 + depth + 1] = box
    np.testing.assert_allclose(found, np.outer(rows, columns) / 9**depth, atol=1e-8)
    assert ((found > 0) == (np.outer(rows, columns) > 0)).all()
    assert found.dtype == np.float64


@pytest.mark.parametrize(("size", "centre"), [((9, 9), (4, 4)), ((8, 8), (4, 4)), ((8, 5), (4, 2))])
def test_an_identity_sees_its_own_centre_of_odd_and_even_grids(
    size: tuple[int, int], centre: tuple[int, int]
) -> None:
    network = wrap(nn.Sequential(nn.Identity()), size=size)
    for name in ("0", "0:input"):
        found = field(network, name)
        assert found[centre] == found.sum() == 1
        patch = centre_patch(network, one(network, name))
        assert (patch.top, patch.left, patch.height, patch.width) == (*centre, 1, 1)
        assert centre_share(found, patch) == 1
        assert radius(found, patch, share=1) == 0


def test_a_strided_network_sees_the_patch_of_its_centre() -> None:
    network = wrap(nn.Sequential(constant(nn.Conv2d(3, 2, 4, stride=4))), size=(16, 24))
    patch = centre_patch(network, one(network, "0"))
    assert patch == Patch(8, 12, 4, 4)
    expected = np.zeros((16, 24))
    expected[8:12, 12:16] = 1 / 16
    np.testing.assert_allclose(field(network, "0"), expected, atol=1e-8)


def test_patches_see_themselves_and_after_one_attention_everything() -> None:
    network = small_vit()
    chosen = taps(
        network, ["patch_embed", "blocks.0:input", "blocks.0.attn", "blocks.0.norm2:input"]
    )
    fields = dict(
        zip(
            (tap.name for tap in chosen),
            receptive_fields(network, chosen, [images(network)]),
            strict=True,
        )
    )
    own = np.zeros((32, 32), bool)
    own[16:24, 16:24] = True
    for name in ("patch_embed", "blocks.0:input"):
        np.testing.assert_array_equal(fields[name] > 0, own)
    for name in ("blocks.0.attn", "blocks.0.norm2:input"):
        assert (fields[name] > 0).all()
    shares = {
        tap.name: centre_share(fields[tap.name], centre_patch(network, tap)) for tap in chosen
    }
    assert shares["patch_embed"] == pytest.approx(1)
    # The residual sum adds the patch itself to what attention mixes.
    assert shares["blocks.0.attn"] < shares["blocks.0.norm2:input"] < 1


class Overwriting(nn.Module):
    """In-place operations right after every tap, and on the input."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ReLU6(inplace=True)
        self.conv1 = nn.Conv2d(2, 3, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(3)
        self.act = nn.SiLU(inplace=True)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(3)
        self.out = nn.ReLU(inplace=True)
        for bn in (self.bn1, self.bn2):
            nn.init.normal_(bn.running_mean)  # type: ignore[arg-type]
            nn.init.normal_(bn.weight)
            nn.init.normal_(bn.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(self.first(x + 1))))
        branch = self.bn2(self.conv2(x))
        branch += x
        return self.out(branch)  # type: ignore[no-any-return]

    def kept(self, x: Tensor) -> dict[str, Tensor]:
        """The same without anything in place."""
        steps = {"first": (x + 1).clamp(0, 6)}
        steps["bn1"] = self.bn1(self.conv1(steps["first"]))
        steps["act"] = steps["bn1"] * steps["bn1"].sigmoid()
        steps["bn2"] = self.bn2(self.conv2(steps["act"]))
        steps["out:input"] = steps["bn2"] + steps["act"]
        steps["out"] = steps["out:input"].clamp(min=0)
        return steps


def test_gradients_are_those_of_finite_differences_whatever_is_in_place() -> None:
    torch.manual_seed(1)
    module = Overwriting().double()
    network = wrap(module, size=(5, 6), channels=2)
    x = images(network, 3).double()
    names = ["first", "bn1", "act", "bn2", "out:input", "out"]
    chosen = taps(network, names)
    found = receptive_fields(network, chosen, [x[:2], x[2:]])
    step = 1e-6
    differences = {name: np.zeros((5, 6)) for name in names}
    for image, channel, row, column in product(range(3), range(2), range(5), range(6)):
        moved = torch.zeros_like(x)
        moved[image, channel, row, column] = step
        up, down = module.kept(x + moved), module.kept(x - moved)
        for name in names:
            change = (up[name] - down[name])[image, :, 2, 3].sum() / (2 * step)
            differences[name][row, column] += abs(float(change))
    for tap, one_field in zip(chosen, found, strict=True):
        expected = differences[tap.name] / differences[tap.name].sum()
        np.testing.assert_allclose(one_field, expected, atol=2e-6, err_msg=tap.name)


def test_an_in_place_operation_on_the_input_itself_is_no_obstacle() -> None:
    network = wrap(nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 2, 3)))
    x = images(network)
    before = x.clone()
    assert receptive_field(network, one(network, "1"), [x]).sum() == pytest.approx(1)
    assert torch.equal(x, before)


@pytest.mark.parametrize("family", ["vit", "mixer", "resnet"])
def test_many_taps_give_what_each_gives_alone_and_batches_add_up(family: str) -> None:
    network = load(ModelSpec(family, zoo=family))
    chosen, x = taps(network, "blocks"), images(network, 5)
    together = receptive_fields(network, chosen, [x])
    assert together.shape == (len(chosen), 28, 28)
    np.testing.assert_allclose(together.sum((1, 2)), 1)
    np.testing.assert_allclose(receptive_fields(network, chosen, x.split(2)), together, atol=1e-6)
    for place in (0, 4, -1):
        alone = receptive_field(network, chosen[place], iter([x]))
        np.testing.assert_allclose(alone, together[place], atol=1e-7)
    twice = receptive_fields(network, [chosen[1], chosen[0], chosen[1]], [x])
    np.testing.assert_allclose(twice, together[[1, 0, 1]], atol=1e-7)


def test_the_parts_of_batches_add_up_to_the_field_by_how_much_gradient_they_have() -> None:
    network = load(ModelSpec("resnet", zoo="resnet"))
    some, x = taps(network, ["layer1.0", "layer3.1"]), images(network, 5)
    chosen = [some[1], some[0], some[1]]
    parts = receptive_fields_by_batch(network, chosen, x.split(2))
    assert parts.shape == (3, 3, 28, 28)
    whole = receptive_fields(network, chosen, [x])
    np.testing.assert_allclose(parts.sum(0), whole, atol=1e-6)
    # Each part is the field of its batch alone, times the batch's share of all gradient.
    for part, batch in zip(parts, x.split(2), strict=True):
        alone = receptive_fields(network, chosen, [batch])
        share = part.sum((1, 2), keepdims=True)
        np.testing.assert_allclose(part / share, alone, atol=1e-6)
    with pytest.raises(AnalysisError, match="was given no images"):
        receptive_fields_by_batch(network, chosen, [])


def test_the_radii_of_many_fields_are_those_of_each() -> None:
    fields = np.random.default_rng(0).random((5, 12, 9))
    patch = Patch(4, 3, 4, 3)
    distances, held = by_distance(fields, patch)
    np.testing.assert_allclose(held.sum(1), fields.sum((1, 2)))
    for share in (0.1, 0.5, 0.95, 1.0):
        each = [radius(field, patch, share=share) for field in fields]
        np.testing.assert_allclose(radius_within(distances, held, share=share), each)


def test_the_tokens_of_a_mixer_s_token_mlp_stand_last() -> None:
    network = load(ModelSpec("mixer", zoo="mixer"))
    before, after = taps(network, ["blocks.0.norm1:input", "blocks.0.mlp_tokens"])
    assert after.layout.kind == "tokens_last"
    own, mixed = receptive_fields(network, [before, after], [images(network)])
    patch = centre_patch(network, after)
    assert patch == centre_patch(network, before) == Patch(12, 12, 4, 4)
    assert centre_share(own, patch) == pytest.approx(1)
    assert centre_share(mixed, patch) < 0.5


def test_a_batch_takes_one_forward_pass() -> None:
    network = small_vit()
    passes: list[int] = []
    network.module.register_forward_hook(lambda _, args, __: passes.append(len(args[0])))
    chosen = taps(network, "blocks")
    passes.clear()
    receptive_fields(network, chosen, images(network, 5).split(2))
    assert passes == [2, 2, 1]


def test_neither_network_nor_images_nor_modes_of_torch_are_left_changed() -> None:
    network = small_vit()
    identity = network.identity()
    with torch.inference_mode():
        x = images(network)
        fields = receptive_fields(network, taps(network, "blocks"), [x])
        assert torch.is_inference_mode_enabled()
    assert np.isfinite(fields).all()
    assert network.identity() == identity
    assert all(p.grad is None and not p.requires_grad for p in network.module.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.module.modules())


@pytest.mark.parametrize("name", ["head", "fc_norm", "norm:input"])
def test_a_tap_without_a_centre_is_named(name: str) -> None:
    network = small_vit()
    if name == "norm:input":  # Tokens: it has one.
        assert field(network, name).shape == (32, 32)
        return
    with pytest.raises(AnalysisError, match=f"tap '{name}' of vit of shape .* no locations"):
        field(network, name)
    with pytest.raises(AnalysisError, match="no locations"):
        centre_patch(network, one(network, name))


def test_class_tokens_alone_have_no_centre() -> None:
    small = {"img_size": 32, "patch_size": 8, "depth": 1, "embed_dim": 24, "num_heads": 2}
    network = load(ModelSpec("cait", timm="cait_xxs24_224", arguments=small))
    with pytest.raises(AnalysisError, match=r"tap 'blocks_token_only.0' of cait .* no locations"):
        field(network, "blocks_token_only.0")


def test_channels_that_add_up_to_zero_are_an_error_and_no_noise() -> None:
    network = small_vit()
    for count in (1, 4):
        with pytest.raises(
            AnalysisError, match=r"'blocks.0.norm1' of vit has channels that add up to zero"
        ):
            field(network, "blocks.0.norm1", count)
    nn.init.normal_(network.module.get_submodule("blocks.0.norm1").weight)  # type: ignore[arg-type]
    assert field(network, "blocks.0.norm1").sum() == pytest.approx(1)


class Blind(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0


class Detached(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach() + 1


@pytest.mark.parametrize(
    ("module", "said"),
    [(Blind(), "gradient of zero"), (Detached(), "does not depend on the input")],
)
def test_no_gradient_is_an_error(module: nn.Module, said: str) -> None:
    with pytest.raises(AnalysisError, match=f"tap '0' of tiny .*{said}"):
        field(wrap(nn.Sequential(module)), "0")


def test_a_gradient_that_is_not_finite_is_an_error() -> None:
    network = wrap(nn.Sequential(constant(nn.Conv2d(3, 2, 3, padding=1)), nn.SiLU()))
    x = images(network)
    x[2] = torch.nan
    with pytest.raises(AnalysisError, match=r"tap '1' of tiny .*is not finite"):
        receptive_field(network, one(network, "1"), [x])


def test_nothing_to_look_at_is_an_error() -> None:
    network = small_vit()
    none: Iterator[Tensor] = iter(())
    with pytest.raises(AnalysisError, match=r"'blocks.0' of vit was given no images"):
        receptive_field(network, one(network, "blocks.0"), none)
    with pytest.raises(AnalysisError, match="no taps asked for in vit"):
        receptive_fields(network, [], [images(network)])
    with pytest.raises(AnalysisError, match=r"expected \(n, 3, 32, 32\)"):
        receptive_field(network, one(network, "blocks.0"), [torch.ones(2, 3, 16, 16)])


def test_the_numbers_of_an_even_field_in_closed_form() -> None:
    even = np.full((20, 30), 1 / 600)
    patch = Patch(8, 12, 4, 6)
    assert centre_share(even, patch) == pytest.approx(24 / 600)
    # Pixels cut by the edge count in part.
    assert centre_share(even, Patch(8.5, 12.25, 1.5, 2.5)) == pytest.approx(3.75 / 600)
    # The middle is the corner of four pixels: the nearest are at sqrt(1/2), the last at a corner.
    assert radius(even, patch, share=4 / 600 - 1e-9) == pytest.approx(0.5**0.5)
    assert radius(even, patch, share=4 / 600 + 1e-9) == pytest.approx((0.5**2 + 1.5**2) ** 0.5)
    assert radius(even, patch, share=1) == pytest.approx(np.hypot(9.5, 14.5))


def test_the_radius_of_a_gaussian_field() -> None:
    """In two dimensions a share q of a Gaussian lies within deviation * sqrt(-2 log(1 - q))."""
    rows = np.arange(201) - 100.0
    gaussian = np.exp(-(rows[:, None] ** 2 + rows**2) / (2 * 20**2))
    patch = Patch(100, 100, 1, 1)
    for share in (0.5, 0.95):
        expected = 20 * (-2 * np.log(1 - share)) ** 0.5
        assert radius(gaussian, patch, share=share) == pytest.approx(expected, rel=0.01)
        assert radius(7 * gaussian, patch, share=share) == radius(gaussian, patch, share=share)


@pytest.mark.parametrize("share", [0, -0.1, 1.1, np.nan])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(AnalysisError, match="expected above 0 and at most 1"):
        radius(np.ones((3, 3)), Patch(1, 1, 1, 1), share=share)


@pytest.mark.parametrize(
    "bad", [np.zeros((3, 3)), -np.ones((3, 3)), np.ones(3), np.full((3, 3), np.nan)]
)
def test_what_is_no_field_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(AnalysisError, match="is no receptive field"):
        centre_share(bad, Patch(1, 1, 1, 1))
    with pytest.raises(AnalysisError, match="is no receptive field"):
        radius(bad, Patch(1, 1, 1, 1), share=0.5)


@pytest.mark.parametrize("patch", [Patch(-1, 0, 2, 2), Patch(0, 2, 1, 2), Patch(0, 0, 4, 1)])
def test_a_patch_outside_the_field_is_refused(patch: Patch) -> None:
    with pytest.raises(AnalysisError, match=r"is not inside a field of \(3, 3\)"):
        centre_share(np.ones((3, 3)), patch)
