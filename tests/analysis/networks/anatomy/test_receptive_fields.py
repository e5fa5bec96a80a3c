"""Receptive fields: those known in theory, finite differences, and what numbers say of them."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.anatomy.channel_sample import ChannelSample, channel_count
from seelike.analysis.networks.anatomy.field_numbers import (
    Patch,
    at_edge,
    by_distance,
    centre_share,
    radius,
    radius_within,
    uniform_radius,
    within,
)
from seelike.analysis.networks.anatomy.receptive_fields import (
    centre_patch,
    gradient_sums,
    normalised,
    receptive_field,
    receptive_fields,
)
from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.network import Network

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
        assert radius(found, patch, share=1) == pytest.approx(0.5**0.5)


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
            change = (up[name] - down[name])[image, :, 2, 3] / (2 * step)
            differences[name][row, column] += float(change.abs().mean())
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


def brute_force(network: Network, name: str, x: Tensor, chosen: np.ndarray) -> np.ndarray:
    """Mean over the chosen channels (image, k) of |gradient|, summed over input channels.

    One image and one channel at a time, float64: (image, height, width).
    """
    (tap,) = taps(network, [name])
    seen: list[Tensor] = []
    module = network.module.double()
    part = module.get_submodule(tap.module)
    handle = part.register_forward_hook(lambda _, __, output: seen.append(output))
    rows = []
    for image, channels in zip(x.double(), chosen, strict=True):
        leaf = image[None].clone().requires_grad_()
        module(leaf)
        out = seen.pop()[0]
        if tap.layout.kind == "map":
            centre = out[:, out.shape[1] // 2, out.shape[2] // 2]
        else:
            side = round((out.shape[0] - tap.layout.prefix) ** 0.5)
            centre = out[tap.layout.prefix + side // 2 * side + side // 2]
        each = [
            torch.autograd.grad(centre[int(channel)], leaf, retain_graph=True)[0][0].abs().sum(0)
            for channel in channels
        ]
        rows.append(torch.stack(each).mean(0).numpy())
    handle.remove()
    network.module.float()
    return np.stack(rows)


def everything(network: Network, name: str, count: int) -> np.ndarray:
    return np.tile(np.arange(channel_count(one(network, name))), (count, 1))


def test_channels_of_opposite_sign_do_not_cancel() -> None:
    convolution = nn.Conv2d(3, 2, 3, padding=1)
    with torch.no_grad():
        convolution.weight[1] = -convolution.weight[0]
    network = wrap(nn.Sequential(convolution))
    x = images(network)
    found = field(network, "0")
    expected = np.zeros((15, 15))
    expected[6:9, 6:9] = convolution.weight[0].abs().sum(0)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-7)
    loops = brute_force(network, "0", x, everything(network, "0", 4)).sum(0)
    np.testing.assert_allclose(found, loops / loops.sum(), atol=1e-7)
    leaf = x.clone().requires_grad_()
    (summed,) = torch.autograd.grad(network.module(leaf)[:, :, 7, 7].sum(), leaf)
    assert not summed.any()


@pytest.mark.parametrize("name", ["blocks.0.norm1", "blocks.1.mlp.act", "norm", "patch_embed"])
def test_fields_of_few_channels_are_those_of_a_loop_over_channels(name: str) -> None:
    network = small_vit()
    assert channel_count(one(network, "norm")) == 24
    x = images(network, 5)
    # An MLP has 96 hidden channels, which are all taken where so many are allowed.
    found = receptive_field(network, one(network, name), [x], sample=ChannelSample(channels=96))
    expected = brute_force(network, name, x, everything(network, name, 5)).sum(0)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-7)
    if name != "blocks.1.mlp.act":
        np.testing.assert_allclose(field(network, name, 5), found, atol=1e-9)


def test_a_layer_norm_that_was_not_trained_has_the_field_of_its_input() -> None:
    network = small_vit()
    of_norm, of_input = (
        field(network, name) for name in ("blocks.0.norm1", "blocks.0.norm1:input")
    )
    assert ((of_norm > 0) == (of_input > 0)).all()
    # Its own projection takes out of each channel's gradient the mean and one more direction.
    assert np.corrcoef(of_norm.ravel(), of_input.ravel())[0, 1] > 0.98


def test_sampled_fields_are_the_mean_over_their_channels_whatever_the_pieces() -> None:
    network = small_vit()
    tap, x = one(network, "blocks.1.mlp.act"), images(network, 6)
    sample = ChannelSample(channels=32, group=4, seed=3)
    chosen = sample.chosen(range(6), channel_count(tap))
    assert chosen.shape == (6, 8)
    expected = brute_force(network, tap.name, x, chosen)
    groups = np.stack([expected[:4].sum(0), expected[4:].sum(0)])
    size = groups.max()
    for batches in ([x], x.split(4), x.split(2), x.split(1), x.split(5), [x.split(3)]):
        parts = np.stack(
            [part[0] for part in gradient_sums(network, [tap], batches, sample=sample)]
        )
        np.testing.assert_allclose(parts, groups, atol=1e-6 * size)
    found = receptive_field(network, tap, [x], sample=sample)
    np.testing.assert_allclose(found, groups.sum(0) / groups.sum(), atol=1e-8)
    other = receptive_field(network, tap, [x], sample=ChannelSample(seed=4))
    assert abs(other - found).max() > 1e-5


def test_sampled_channels_average_to_those_of_all() -> None:
    network = small_vit()
    tap, x = one(network, "blocks.1.mlp.act"), images(network, 4)
    (exact,) = gradient_sums(network, [tap], [x], sample=ChannelSample(channels=96))
    seeds = np.stack(
        [
            next(gradient_sums(network, [tap], [x], sample=ChannelSample(8, seed=seed)))[0]
            for seed in range(200)
        ]
    )

    def numbers(sums: np.ndarray) -> np.ndarray:
        patch = within(sums, centre_patch(network, tap))
        halves = sums[:, :16].sum((1, 2)), sums[:, :, :16].sum((1, 2))
        return np.column_stack([sums.sum((1, 2)), patch, *halves, sums.reshape(len(sums), -1)])

    each = numbers(seeds)
    error = each.std(0, ddof=1) / len(seeds) ** 0.5
    z = (each.mean(0) - numbers(exact)[0]) / error
    # Four numbers within 3 standard errors, which are under 1 % of them; 1024 pixels within 4.5.
    assert (abs(z[:4]) < 3).all()
    assert (error[:4] < 0.01 * numbers(exact)[0, :4]).all()
    assert (abs(z) < 4.5).all()


def test_a_group_of_images_covers_as_many_channels_as_would_be_exact() -> None:
    usual = ChannelSample()
    chosen = usual.chosen(range(400), 96)
    assert chosen.shape == (400, 8) and chosen.min() == 0 and chosen.max() == 95
    for group in chosen.reshape(100, 32):
        assert len(set(group.tolist())) == 32
    # Groups differ, and every channel comes as often: 400 x 8 / 96 times, give or take chance.
    assert len({tuple(sorted(row)) for row in chosen.tolist()}) == 400
    counts = np.bincount(chosen.ravel(), minlength=96)
    assert abs(counts - 400 * 8 / 96).max() < 5 * (400 * 8 / 96) ** 0.5
    # Where an image stands decides, not where a batch begins.
    np.testing.assert_array_equal(usual.chosen(range(5, 9), 96), chosen[5:9])
    np.testing.assert_array_equal(usual.chosen(range(3), 32), np.tile(np.arange(32), (3, 1)))
    assert usual.per_image(32) == 32 and usual.per_image(33) == 8
    assert (ChannelSample(seed=1).chosen(range(400), 96) != chosen).any()
    # More slots than channels: images of a group share some, none has one twice.
    for row in ChannelSample(channels=10, group=4).chosen(range(8), 11):
        assert len(set(row.tolist())) == 3
    for wrong in ({"channels": 0}, {"group": 0}, {"seed": -1}):
        with pytest.raises(AnalysisError, match="is no sample of channels"):
            ChannelSample(**wrong)


def test_the_sums_of_groups_add_up_to_the_field() -> None:
    network = load(ModelSpec("resnet", zoo="resnet"))
    some, x = taps(network, ["layer1.0", "layer3.1"]), images(network, 5)
    chosen = [some[1], some[0], some[1]]
    parts = np.stack(
        list(gradient_sums(network, chosen, x.split(3), sample=ChannelSample(group=2)))
    )
    assert parts.shape == (3, 3, 28, 28)
    sample = ChannelSample(group=2)
    whole = receptive_fields(network, chosen, [x], sample=sample)
    np.testing.assert_allclose(normalised(network, chosen, parts.sum(0)), whole, atol=1e-6)
    with pytest.raises(AnalysisError, match="was given no images"):
        receptive_fields(network, chosen, [])
    assert not list(gradient_sums(network, chosen, []))


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


# A ReLU has the gradient one at NaN.
@pytest.mark.parametrize("act", [nn.SiLU, nn.ReLU])
def test_activations_that_are_not_finite_are_an_error(act: type[nn.Module]) -> None:
    network = wrap(nn.Sequential(constant(nn.Conv2d(3, 2, 3, padding=1)), act()))
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
    # The middle is the corner of four pixels: the nearest four are at sqrt(1/2), the next eight at
    # sqrt(5/2), the last at a corner. Each is spread by sqrt(1/2) to both sides.
    spread = nearest = 0.5**0.5
    for pixels, expected in ((0.5, nearest - spread / 2), (2, nearest)):
        assert radius(even, patch, share=pixels / 600) == pytest.approx(expected)
    # Rings of pixels about (8, 8), of which none touches the next.
    apart = np.zeros((16, 16))
    apart[7:9, 7:9] = 1 / 8
    apart[0, :] = apart[15, :] = apart[:, 0] = apart[:, 15] = 0
    apart[7:9, 2] = apart[7:9, 13] = 1 / 8
    centred, outer = Patch(7, 7, 2, 2), (5.5**2 + 0.5**2) ** 0.5
    for share, expected in (
        (0.0625, nearest - spread / 2),
        (0.25, nearest),
        (0.5, nearest + spread),
        (0.75, outer),
        (0.9375, outer + spread / 2),
        (1, outer + spread),
    ):
        assert radius(apart, centred, share=share) == pytest.approx(expected)
    assert radius(even, patch, share=1) == pytest.approx(np.hypot(9.5, 14.5) + spread)


def test_the_radius_of_a_gaussian_field() -> None:
    """In two dimensions a share q of a Gaussian lies within deviation * sqrt(-2 log(1 - q))."""
    rows = np.arange(201) - 100.0
    gaussian = np.exp(-(rows[:, None] ** 2 + rows**2) / (2 * 20**2))
    patch = Patch(100, 100, 1, 1)
    for share in (0.5, 0.95):
        expected = 20 * (-2 * np.log(1 - share)) ** 0.5
        assert radius(gaussian, patch, share=share) == pytest.approx(expected, rel=0.01)
        again = radius(7 * gaussian, patch, share=share)
        assert again == pytest.approx(radius(gaussian, patch, share=share), rel=1e-12)


def test_a_radius_grows_with_its_share() -> None:
    field = np.random.default_rng(2).random((21, 17))
    radii = [radius(field, Patch(10, 8, 1, 1), share=share) for share in np.linspace(0.01, 1, 300)]
    assert (np.diff(radii) > 0).all()


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_radius_is_a_smooth_function_of_the_field(share: float) -> None:
    """Between two fields it has a slope everywhere, and the slope has no steps either."""
    rows = np.arange(29) - 14.0
    squares = rows[:, None] ** 2 + rows**2
    narrow, wide = (np.exp(-squares / (2 * width**2)) for width in (1.5, 4.0))
    distances, both = by_distance(
        np.stack([narrow / narrow.sum(), wide / wide.sum()]), Patch(14, 14, 1, 1)
    )
    mixed = np.linspace(0, 1, 4001)[:, None]
    radii = radius_within(distances, (1 - mixed) * both[0] + mixed * both[1], share=share)
    slope = np.diff(radii)
    assert (slope > 0).all()
    assert abs(np.diff(slope)).max() < 0.02 * slope.max()


def test_a_ring_of_pixels_is_spread_as_far_as_a_pixels_corner() -> None:
    distances = np.array([0.0, 1.0, 3.0])
    held = np.array([[1.0, 0.0, 1.0]])
    spread = 0.5**0.5
    expected = {0.25: spread / 2, 0.5: spread, 0.75: 3.0, 1: 3 + spread}
    for share, found in expected.items():
        np.testing.assert_allclose(radius_within(distances, held, share=share), found)


def test_the_radius_of_a_uniform_field_is_that_of_a_disc_and_at_the_edge() -> None:
    """A disc of a share q of the area A has the radius sqrt(q A / pi), while it fits inside."""
    patch = Patch(100, 100, 1, 1)
    disc = (0.5 * 201**2 / np.pi) ** 0.5
    assert uniform_radius((201, 201), patch, share=0.5) == pytest.approx(disc, rel=0.005)
    # Beyond the sides only corners are left.
    wide = uniform_radius((201, 201), patch, share=0.95)
    assert 201 / 2 < wide < 201 / 2**0.5
    np.testing.assert_array_equal(at_edge([0.94 * wide, 0.951 * wide, wide], wide), [0, 1, 1])
    even = np.full((201, 201), 3.0)
    assert radius(even, patch, share=0.95) == pytest.approx(wide)


def test_amounts_within_a_patch() -> None:
    fields = np.random.default_rng(0).random((3, 6, 5))
    np.testing.assert_allclose(within(fields, Patch(2, 1, 2, 3)), fields[:, 2:4, 1:4].sum((1, 2)))
    assert within(np.zeros((1, 6, 5)), Patch(2, 1, 2, 3)) == 0


@pytest.mark.parametrize("share", [0, -0.1, 1.1, np.nan])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(AnalysisError, match="expected above 0 and at most 1"):
        radius(np.ones((3, 3)), Patch(1, 1, 1, 1), share=share)


@pytest.mark.parametrize(
    "bad", [np.zeros((3, 3)), -np.ones((3, 3)), np.ones(3), np.full((3, 3), np.nan)]
)
def test_arrays_that_are_no_field_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(AnalysisError, match="is no receptive field"):
        centre_share(bad, Patch(1, 1, 1, 1))
    with pytest.raises(AnalysisError, match="is no receptive field"):
        radius(bad, Patch(1, 1, 1, 1), share=0.5)


@pytest.mark.parametrize("patch", [Patch(-1, 0, 2, 2), Patch(0, 2, 1, 2), Patch(0, 0, 4, 1)])
def test_a_patch_outside_the_field_is_refused(patch: Patch) -> None:
    with pytest.raises(AnalysisError, match=r"is not inside a field of \(3, 3\)"):
        centre_share(np.ones((3, 3)), patch)
