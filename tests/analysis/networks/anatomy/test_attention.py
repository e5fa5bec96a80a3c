import gc
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.anatomy.attention import (
    attention_distance,
    mean_distance,
    renormalised_distance,
    uniform_distance,
)
from seelike.analysis.networks.anatomy.attention_maps import (
    AttentionBlock,
    attention_blocks,
    head_outputs,
    heads,
    unfused,
)
from seelike.analysis.networks.layers.tap import taps
from seelike.analysis.networks.loading.models import ModelSpec, load, untrained
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import record
from seelike.analysis.networks.transforms import transform
from seelike.storage.images import from_sample
from seelike.storage.networks import zoo

VIT = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 2}
SWIN = {"img_size": 32, "embed_dim": 24, "depths": [2, 1], "num_heads": [2, 4], "window_size": 4}
GRID, PATCH = (3, 5), (4, 7)


def network(timm: str = "vit_tiny_patch16_224", **arguments: Any) -> Network:
    """With large weights, so that no head attends to all patches nearly alike."""
    made = load(ModelSpec(timm, timm=timm, arguments=arguments))
    generator = torch.Generator().manual_seed(0)
    for name, value in made.module.named_parameters():
        if any(part in name for part in ("qkv.weight", "_proj.weight", "q_bias", "bias_table")):
            value.copy_(torch.randn(value.shape, generator=generator) * 0.8)
    return made


def images(network: Network, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn((count, *network.input_size), generator=generator)


def maps(network: Network, x: Tensor) -> dict[str, Tensor]:
    """A copy of every attention's map of one pass, by module."""
    seen: dict[str, Tensor] = {}

    def receive(block: AttentionBlock, attention: Tensor) -> None:
        seen[block.module] = attention.clone()

    with heads(network, attention_blocks(network), receive), torch.inference_mode():
        network.module(x)
    return seen


def settings(network: Network) -> dict[str, bool]:
    return {n: m.fused_attn for n, m in network.module.named_modules() if hasattr(m, "fused_attn")}  # type: ignore[misc]


def no_hooks(network: Network) -> bool:
    return not any(m._forward_hooks or m._forward_pre_hooks for m in network.module.modules())


def softmaxed(tokens: int, images: int = 2, heads: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return (3 * torch.randn((images, heads, tokens, tokens), generator=generator)).softmax(-1)


def between(i: int, j: int) -> float:
    """The distance in pixels of patches ``i`` and ``j`` of GRID."""
    (yi, xi), (yj, xj) = divmod(i, GRID[1]), divmod(j, GRID[1])
    return math.hypot((yi - yj) * PATCH[0], (xi - xj) * PATCH[1])


# The distances of given attention.


@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_both_distances_are_their_sums_written_out(prefix: int) -> None:
    attention = softmaxed(15 + prefix)
    plain = mean_distance(attention, grid=GRID, patch=PATCH, prefix=prefix)
    scaled = renormalised_distance(attention, grid=GRID, patch=PATCH, prefix=prefix)
    assert plain.shape == scaled.shape == (2, 3)
    assert plain.dtype == scaled.dtype == torch.float64
    for image, head in np.ndindex(2, 3):
        patches = attention[image, head, prefix:, prefix:].tolist()
        moved = [sum(a * between(i, j) for j, a in enumerate(r)) for i, r in enumerate(patches)]
        shares = [sum(row) for row in patches]
        assert plain[image, head] == pytest.approx(sum(moved) / 15, rel=1e-5)
        expected = sum(m / s for m, s in zip(moved, shares, strict=True)) / 15
        assert scaled[image, head] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("prefix", [0, 2])
def test_uniform_attention_has_the_closed_form(prefix: int) -> None:
    uniform = uniform_distance(GRID, PATCH)
    pairs = [between(i, j) for i in range(15) for j in range(15)]
    assert uniform == pytest.approx(sum(pairs) / 225, rel=1e-12)
    tokens = 15 + prefix
    attention = torch.full((1, 1, tokens, tokens), 1 / tokens)
    scaled = renormalised_distance(attention, grid=GRID, patch=PATCH, prefix=prefix)
    assert scaled.item() == pytest.approx(uniform, rel=1e-6)
    plain = mean_distance(attention, grid=GRID, patch=PATCH, prefix=prefix)
    assert plain.item() == pytest.approx(uniform * 15 / tokens, rel=1e-6)


def test_a_row_of_patches_has_the_textbook_mean_distance() -> None:
    assert uniform_distance((1, 9), (5, 4)) == pytest.approx(4 * (81 - 1) / (3 * 9), rel=1e-12)
    assert uniform_distance((1, 1), (16, 16)) == 0


@pytest.mark.parametrize("prefix", [0, 1])
def test_attention_to_oneself_goes_no_distance_and_to_the_neighbour_one_patch(prefix: int) -> None:
    tokens = 15 + prefix
    itself = torch.eye(tokens).expand(1, 2, -1, -1)
    right = torch.zeros(1, 1, tokens, tokens)
    right[..., range(prefix), range(prefix)] = 1
    for i in range(15):
        right[..., prefix + i, prefix + (i + 1 if i % 5 < 4 else i - 1)] = 1
    for distance in (mean_distance, renormalised_distance):
        assert (distance(itself, grid=GRID, patch=PATCH, prefix=prefix) == 0).all()
        assert distance(right, grid=GRID, patch=PATCH, prefix=prefix).item() == 7


def test_renormalising_never_shortens_and_does_nothing_without_a_prefix() -> None:
    attention = softmaxed(15)
    with_class = renormalised_distance(attention, grid=(2, 7), patch=PATCH, prefix=1)
    assert (with_class > mean_distance(attention, grid=(2, 7), patch=PATCH, prefix=1)).all()
    plain = mean_distance(attention, grid=GRID, patch=PATCH, prefix=0)
    scaled = renormalised_distance(attention, grid=GRID, patch=PATCH, prefix=0)
    torch.testing.assert_close(plain, scaled, rtol=1e-5, atol=0)


@pytest.mark.parametrize("factor", [0.9, 2.0, math.nan, math.inf])
def test_rows_that_are_no_probabilities_are_refused(factor: float) -> None:
    attention = softmaxed(16)
    attention[1, 2, 7] *= factor
    for distance in (mean_distance, renormalised_distance):
        with pytest.raises(AnalysisError, match=r"sums to \S+, expected 1"):
            distance(attention, grid=GRID, patch=PATCH, prefix=1)


def test_another_number_of_tokens_is_refused() -> None:
    with pytest.raises(AnalysisError, match=r"\(2, 3, 15, 15\), expected .*16, 16.*15 patches"):
        mean_distance(softmaxed(15), grid=GRID, patch=PATCH, prefix=1)


def test_a_patch_that_sees_the_class_token_alone_has_no_renormalised_distance() -> None:
    attention = softmaxed(16)
    attention[1, 2, 8] = nn.functional.one_hot(torch.tensor(0), 16)
    assert mean_distance(attention, grid=GRID, patch=PATCH, prefix=1).isfinite().all()
    with pytest.raises(AnalysisError, match=r"patch 7 of image 1 attends to no patch.*head 2"):
        renormalised_distance(attention, grid=GRID, patch=PATCH, prefix=1)


# Where a network attends.


@pytest.mark.parametrize(
    ("timm", "arguments", "grid", "patch", "prefix"),
    [
        ("vit_tiny_patch16_224", {}, (4, 4), (8, 8), 1),
        ("vit_tiny_patch16_224", {"img_size": (32, 48), "patch_size": (8, 16)}, (4, 3), (8, 16), 1),
        ("vit_tiny_patch16_224", {"img_size": 30}, (3, 3), (8, 8), 1),
        ("vit_small_patch14_reg4_dinov2", {}, (4, 4), (8, 8), 5),
        ("deit_tiny_distilled_patch16_224", {}, (4, 4), (8, 8), 2),
        ("vit_relpos_small_patch16_224", {}, (4, 4), (8, 8), 0),
        ("vit_base_patch16_siglip_224", {}, (4, 4), (8, 8), 0),
        ("beit_base_patch16_224", {}, (4, 4), (8, 8), 1),
        ("eva02_tiny_patch14_224", {}, (4, 4), (8, 8), 1),
        ("vit_small_patch16_dinov3", {}, (4, 4), (8, 8), 5),
    ],
)
def test_the_tokens_of_a_transformer(
    timm: str,
    arguments: dict[str, Any],
    grid: tuple[int, int],
    patch: tuple[int, int],
    prefix: int,
) -> None:
    found = network(timm, **{**VIT, **arguments})
    expected = [AttentionBlock(f"blocks.{i}.attn", 2, grid, patch, prefix) for i in range(2)]
    assert list(attention_blocks(found)) == expected
    tokens = prefix + grid[0] * grid[1]
    for block, attention in zip(expected, maps(found, images(found, 3)).values(), strict=True):
        assert block.tokens == tokens
        assert attention.shape == (3, 2, tokens, tokens)
        assert attention.dtype == torch.float32
        torch.testing.assert_close(attention.sum(-1), torch.ones(3, 2, tokens))


def test_two_attentions_in_one_block_are_two() -> None:
    found = network("vit_small_patch16_18x2_224", **{**VIT, "depth": 1})
    names = [block.module for block in attention_blocks(found)]
    assert names == ["blocks.0.attns.0.attn", "blocks.0.attns.1.attn"]


def test_the_windows_of_a_swin() -> None:
    first = {"heads": 2, "grid": (4, 4), "patch": (4, 4), "windows": 4}
    assert attention_blocks(network("swin_tiny_patch4_window7_224", **SWIN)) == (
        AttentionBlock("layers.0.blocks.0.attn", **first),  # type: ignore[arg-type]
        AttentionBlock("layers.0.blocks.1.attn", **first),  # type: ignore[arg-type]
        AttentionBlock("layers.1.blocks.0.attn", heads=4, grid=(4, 4), patch=(8, 8)),
    )


AT_64 = {"pretrained_cfg_overlay": {"input_size": [3, 64, 64]}}


@pytest.mark.parametrize(
    ("timm", "arguments", "message"),
    [
        ("resnet18", {"channels": [8, 8, 8, 8], **AT_64}, "resnet18 .resnet18. has no attention"),
        ("mixer_s32_224", {"img_size": 32}, "mixer_s32_224 .* has no attention; give a trans"),
        ("levit_128s", {}, r"'stages.0.blocks.0.attn' \(Attention\).*no 'attn_drop'"),
        ("hiera_tiny_224", {"img_size": 64}, r"\(MaskUnitAttention\) .*no 'attn_drop'"),
        (
            "xcit_nano_12_p16_224",
            {"img_size": 64, "embed_dim": 64},
            r"'blocks.0.attn' \(XCA\) of xcit.*not a map",
        ),
        ("cait_xxs24_224", {"img_size": 32, "depth": 1}, r"\(ClassAttn\).*\(2, 4, 1, 5\) for 2"),
        ("samvit_base_patch16", {"depth": 1, "img_size": 64}, r"\(24, 196, 196\) for 2 images"),
        ("vit_dlittle_patch16_reg1_gap_256", VIT, r"\(DiffAttention\).*\(2, 4, 17, 17\).* 2 heads"),
        ("swin_tiny_patch4_window7_224", {**SWIN, "window_size": 3}, r"\(18, 2, 9, 9\).*fill its"),
    ],
)
def test_attention_that_is_none_of_patches_on_patches_is_refused(
    timm: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(AnalysisError, match=message):
        attention_blocks(load(ModelSpec(timm, timm=timm, arguments=arguments)))


# The maps that are seen.


def test_the_map_is_the_softmax_of_queries_on_keys() -> None:
    found = network(**VIT)
    x = images(found, 3)
    seen = maps(found, x)
    (inputs,) = record(found, taps(found, "blocks.*.attn:input"), [x])
    for block in attention_blocks(found):
        tokens = torch.from_numpy(inputs[f"{block.module}:input"])
        qkv = found.module.get_submodule(f"{block.module}.qkv")(tokens)
        for head in range(2):
            q, k = (qkv[..., 24 * part + 12 * head :][..., :12] for part in (0, 1))
            expected = torch.softmax(q @ k.mT / math.sqrt(12), dim=-1)
            torch.testing.assert_close(seen[block.module][:, head], expected, atol=1e-5, rtol=1e-4)
        assert seen[block.module].max() > 0.5  # Not nearly uniform, so the check means something.


def values(attention: nn.Module, tokens: Tensor) -> Tensor:
    """The values (images, tokens, channels), as each of timm's classes makes them."""
    if getattr(attention, "qkv", None) is None:
        out: Tensor = attention.v_proj(tokens)  # type: ignore[operator]
        return out
    qkv: Any = attention.qkv
    bias = getattr(attention, "v_bias", None)
    if bias is None and qkv.bias is not None:
        bias = qkv.bias.chunk(3)[2]
    return functional.linear(tokens, qkv.weight.chunk(3)[2], bias)


@pytest.mark.parametrize(
    "timm",
    [
        "vit_tiny_patch16_224",
        "vit_small_patch14_reg4_dinov2",
        "vit_relpos_small_patch16_224",
        "beit_base_patch16_224",
        "eva02_tiny_patch14_224",
        "vit_small_patch16_dinov3",
    ],
)
def test_map_times_values_is_what_fused_heads_put_out(timm: str) -> None:
    found = network(timm, **VIT)
    x = images(found, 2)
    seen = maps(found, x)
    (inputs,) = record(found, taps(found, "blocks.*.attn:input"), [x])
    for block in attention_blocks(found):
        attention = found.module.get_submodule(block.module)
        assert attention.fused_attn
        v = values(attention, torch.from_numpy(inputs[f"{block.module}:input"]))
        (outputs,) = head_outputs(found, block, [x])
        assert outputs.shape == (2, block.tokens, 2, 12)
        for head, part in enumerate(v.split(12, dim=-1)):
            expected = (seen[block.module][:, head] @ part).numpy()
            np.testing.assert_allclose(outputs[:, :, head], expected, atol=1e-4, rtol=1e-4)


def test_heads_side_by_side_are_what_goes_into_proj() -> None:
    found = network(**VIT)
    x = images(found, 5)
    block = attention_blocks(found)[1]
    (recorded,) = record(found, taps(found, "blocks.1.attn.proj:input"), [x])
    batches = list(head_outputs(found, block, [x[:2], [x[2:4], x[4:]]]))
    assert [len(batch) for batch in batches] == [2, 3]
    joined = np.concatenate([np.concatenate(batches)[:, :, head] for head in range(2)], axis=-1)
    np.testing.assert_allclose(joined, recorded["blocks.1.attn.proj:input"], atol=1e-6)


# Fused attention.


class Broken(RuntimeError):
    pass


def test_each_attention_gets_its_own_setting_back() -> None:
    found = network("vit_base_patch16_siglip_224", **VIT)
    found.module.get_submodule("blocks.1.attn").fused_attn = False  # type: ignore[assignment]
    before = settings(found)
    assert before == {"blocks.0.attn": True, "blocks.1.attn": False, "attn_pool": True}
    with unfused(found):
        assert settings(found) == {**before, "blocks.0.attn": False}  # The pool stays as it is.
    assert settings(found) == before
    with pytest.raises(Broken), unfused(found):
        raise Broken
    assert settings(found) == before
    attention_distance(found, [images(found, 2)])
    assert settings(found) == before
    assert no_hooks(found)


def test_an_error_inside_a_pass_leaves_no_trace() -> None:
    found = network(**VIT)
    before = settings(found)
    assert set(before.values()) == {True}

    def refuse(*_: object) -> None:
        raise Broken

    with pytest.raises(Broken), heads(found, attention_blocks(found), refuse):
        found.module(images(found, 1))
    with pytest.raises(AnalysisError, match=r"expected \(n, 3, 32, 32\)"):
        attention_distance(found, [torch.zeros(2, 3, 16, 16)])
    assert settings(found) == before
    assert no_hooks(found)


class Repeating(nn.Module):
    """Calls a transformer's first attention as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.vit = network(**VIT).module
        self.times = 1

    def forward(self, x: Tensor) -> Tensor:
        tokens: Any = self.vit.patch_embed(x)  # type: ignore[operator]
        for _ in range(self.times):
            tokens = self.vit.get_submodule("blocks.0.attn")(tokens)
        out: Tensor = self.vit(x) if self.times == 0 else tokens
        return out


def test_an_attention_must_fire_once_per_pass() -> None:
    module = Repeating()
    found = Network("twice", module, (3, 32, 32), data_config={}, architecture="twice")
    with pytest.raises(AnalysisError, match=r"'vit.blocks.1.attn' of twice .* never .*once"):
        attention_blocks(found)
    module.vit.blocks = module.vit.blocks[:1]
    module.times = 2
    with pytest.raises(AnalysisError, match=r"'vit.blocks.0.attn' of twice .* several times"):
        attention_blocks(found)
    block = AttentionBlock("vit.blocks.0.attn", 2, (4, 4), (8, 8))
    with (
        pytest.raises(AnalysisError, match=r"attn_drop' of twice ran 2 times"),
        heads(found, [block], lambda *_: None),
    ):
        module(images(found, 1))
    module.times = 0
    with (
        pytest.raises(AnalysisError, match=r"map of \(2, 17, 17\), expected \(2, 16, 16\)"),
        heads(found, [block], lambda *_: None),
    ):
        module(images(found, 1))


# The distances of a network.


@pytest.mark.parametrize("timm", ["vit_tiny_patch16_224", "vit_small_patch14_reg4_dinov2"])
def test_a_network_without_queries_has_the_uniform_distance(timm: str) -> None:
    found = network(timm, **{**VIT, "img_size": (24, 40)})
    blocks = attention_blocks(found)
    for block in blocks:
        qkv = found.module.get_submodule(f"{block.module}.qkv")
        qkv.weight[:24] = 0  # type: ignore[index]
        qkv.bias[:24] = 0  # type: ignore[index]
    distances = attention_distance(found, [images(found, 3)])
    uniform = uniform_distance((3, 5), (8, 8))
    assert distances.blocks == blocks
    np.testing.assert_allclose(distances.renormalised, np.full((2, 2, 3), uniform), rtol=1e-5)
    share = 15 / blocks[0].tokens
    np.testing.assert_allclose(distances.plain, np.full((2, 2, 3), share * uniform), rtol=1e-5)


def test_the_distances_of_a_network_are_those_of_its_maps_in_any_batches() -> None:
    found = network("deit_tiny_distilled_patch16_224", **VIT)
    x = images(found, 7)
    geometry: dict[str, Any] = {"grid": (4, 4), "patch": (8, 8), "prefix": 2}
    pieces = attention_distance(found, [x[:2], [x[2:5], x[5:6]], x[6:]])
    for i, attention in enumerate(maps(found, x).values()):
        assert pieces.plain[i].dtype == pieces.renormalised[i].dtype == np.float64
        expected = mean_distance(attention, **geometry).T
        np.testing.assert_allclose(pieces.plain[i], expected, rtol=1e-4)
        expected = renormalised_distance(attention, **geometry).T
        np.testing.assert_allclose(pieces.renormalised[i], expected, rtol=1e-4)
        assert (pieces.renormalised[i] >= pieces.plain[i]).all()
    assert np.stack(pieces.plain).shape == (2, 2, 7)


def rolled(value: Tensor, shift: int) -> Tensor:
    """(windows, 16) of an 8 x 8 grid: rolled back by ``shift``, cut into windows of 4 x 4."""
    value = torch.roll(value, (-shift, -shift), (0, 1))
    return value.reshape(2, 4, 2, 4).permute(0, 2, 1, 3).reshape(4, 16)


def test_distances_in_shifted_windows_are_those_of_the_places_in_the_image() -> None:
    found = network("swin_tiny_patch4_window7_224", **SWIN)
    x = images(found, 3)
    distances = attention_distance(found, [x[:1], x[1:]])
    assert [d.shape for d in distances.plain] == [(2, 3), (2, 3), (4, 3)]
    y, across = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    for place, shift in ((0, 0), (1, 2)):
        attention = list(maps(found, x).values())[place].reshape(3, 4, 2, 16, 16)
        ys, xs = rolled(y, shift), rolled(across, shift)
        dy, dx = ys[:, :, None] - ys[:, None], xs[:, :, None] - xs[:, None]
        far = 4 * torch.hypot(dy, dx)
        expected = (attention * far[:, None]).sum(-1).mean((1, 3)).T
        np.testing.assert_allclose(distances.plain[place], expected, rtol=1e-4)
        np.testing.assert_allclose(distances.renormalised[place], expected, rtol=1e-4)


def test_no_map_outlives_its_attention() -> None:
    found = network(**{**VIT, "depth": 4})
    alive = []

    def count(*_: object) -> None:
        shapes = [tuple(o.shape) for o in gc.get_objects() if type(o) is Tensor]
        alive.append(sum(shape == (3, 2, 17, 17) for shape in shapes))

    handle = found.module.get_submodule("blocks.3.norm1").register_forward_hook(count)
    attention_distance(found, [images(found, 3), images(found, 3)])
    handle.remove()
    assert alive == [0, 0, 0]  # One pass to find the attentions, two over the batches.


def test_heads_mixed_after_the_softmax_are_refused_with_the_block() -> None:
    found = network(**VIT)
    drop = nn.Identity()
    found.module.get_submodule("blocks.1.attn").attn_drop = drop
    drop.register_forward_pre_hook(lambda _, args: (0.5 * args[0],))
    with pytest.raises(AnalysisError, match=r"^blocks.1.attn of vit_tiny.*sums to 0.5, expected 1"):
        attention_distance(found, [images(found, 2)])


def test_no_images_and_no_attention_are_refused() -> None:
    with pytest.raises(AnalysisError, match="no images for the attention distance of vit_tiny"):
        attention_distance(network(**VIT), [])
    with pytest.raises(AnalysisError, match=r"mixer_s32_224 .* has no attention"):
        attention_distance(network("mixer_s32_224", img_size=32), [])


def test_half_precision_changes_little() -> None:
    found = network(**VIT)
    x = images(found, 2)
    exact = attention_distance(found, [x])
    found.module.to(torch.bfloat16)
    rounded = attention_distance(found, [x])
    np.testing.assert_allclose(np.stack(rounded.plain), np.stack(exact.plain), rtol=0.05)


def test_training_moves_the_heads_of_the_shipped_network_away_from_uniform() -> None:
    spec = ModelSpec("zoo", zoo="vit")
    trained = load(spec, weights=zoo.weights("vit"))
    shown = transform(trained)
    sample = from_sample(count=16)
    x = torch.stack([shown(sample.read(i)) for i in range(len(sample))])
    uniform = uniform_distance((7, 7), (4, 4))
    away = [
        np.abs(np.stack(attention_distance(each, [x]).renormalised) - uniform).mean(axis=(1, 2))
        for each in (trained, load(untrained(spec)))
    ]
    assert away[0].shape == (8,)
    assert (away[0] > 3 * away[1]).all()


# Outputs of heads.


def unknown(_: Network) -> AttentionBlock:
    return AttentionBlock("blocks.7.attn", 2, (4, 4), (8, 8), 1)


def windowed(found: Network) -> AttentionBlock:
    return attention_blocks(found)[0]


@pytest.mark.parametrize(
    ("timm", "arguments", "block", "message"),
    [
        ("vit_tiny_patch16_224", VIT, unknown, "has no module 'blocks.7.attn'; its attentions"),
        ("swin_tiny_patch4_window7_224", SWIN, windowed, "'layers.0.*attends in windows"),
        ("vit_base_patch16_xp_224", VIT, windowed, "'blocks.0' .* has no module 'proj'"),
    ],
)
def test_blocks_without_an_output_per_head_are_refused(
    timm: str,
    arguments: dict[str, Any],
    block: Callable[[Network], AttentionBlock],
    message: str,
) -> None:
    found = network(timm, **arguments)
    with pytest.raises(AnalysisError, match=message):
        head_outputs(found, block(found), [])
