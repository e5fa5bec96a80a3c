"""Tokens, locations and patches of real networks, against slicing by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.anatomy.tokens import (
    coarsened,
    embedding,
    grid,
    grouped,
    inside,
    pixel_patches,
    place,
    tokens,
)
from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import record
from seelike.analysis.similarity.parts.localization import localize
from seelike.analysis.similarity.parts.localization_scores import score

VIT = {"img_size": [32, 48], "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 2}


def network(timm: str, **arguments: Any) -> Network:
    return load(ModelSpec(timm, timm=timm, arguments=arguments))


def zoo(family: str) -> Network:
    return load(ModelSpec(family, zoo=family, seed=0))


def tap(network: Network, name: str) -> Tap:
    (found,) = taps(network, [name])
    return found


def images(network: Network, count: int = 6, seed: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((count, *network.input_size), generator=generator)


@pytest.fixture(scope="module")
def vit() -> Network:
    return network("vit_tiny_patch16_224", **VIT)


@pytest.fixture(scope="module")
def resnet() -> Network:
    at_64 = {"input_size": [3, 64, 64]}
    return network("resnet18", pretrained_cfg_overlay=at_64, channels=[8, 8, 16, 16])


@pytest.fixture(scope="module")
def mixer() -> Network:
    return network("mixer_s32_224", img_size=96)


@pytest.fixture(scope="module")
def swin() -> Network:
    small = {"img_size": 32, "embed_dim": 24, "depths": [1, 1], "num_heads": [2, 4]}
    return network("swin_tiny_patch4_window7_224", **small, window_size=4)


def test_tokens_are_the_spatial_ones_in_rows(vit: Network) -> None:
    block, batch = tap(vit, "blocks.1"), images(vit)
    assert grid(vit, block) == (4, 6)
    (found,) = tokens(vit, block, [batch])
    (recorded,) = record(vit, [block], [batch])
    assert found.shape == (6, 24, 24)
    assert (found == recorded["blocks.1"][:, 1:]).all()


def test_register_tokens_are_left_out() -> None:
    registers = network("vit_small_patch14_reg4_dinov2", **{**VIT, "img_size": 32})
    block, batch = tap(registers, "blocks.1"), images(registers)
    assert grid(registers, block) == (4, 4)
    (found,) = tokens(registers, block, [batch])
    (recorded,) = record(registers, [block], [batch])
    assert (found == recorded["blocks.1"][:, 5:]).all()


def test_locations_of_a_map(resnet: Network) -> None:
    stage, batch = tap(resnet, "layer2.1"), images(resnet)
    rows, columns = grid(resnet, stage)
    assert (rows, columns) == (8, 8)
    (found,) = tokens(resnet, stage, [batch])
    (recorded,) = record(resnet, [stage], [batch])
    here = place(3, 5, of=(rows, columns))
    assert (found[:, here] == recorded["layer2.1"][:, :, 3, 5]).all()


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("swin", "layers.0.blocks.0", (8, 8)),
        ("swin", "layers.1.blocks.0", (4, 4)),
        ("swin", "layers.1.blocks.0.mlp.act", (4, 4)),
        ("mixer", "blocks.1", (3, 3)),
        ("mixer", "blocks.1.mlp_tokens", (3, 3)),
        ("vit", "patch_embed", (4, 6)),
    ],
)
def test_grids(
    name: str, pattern: str, expected: tuple[int, int], request: pytest.FixtureRequest
) -> None:
    chosen = request.getfixturevalue(name)
    found = tap(chosen, pattern)
    assert grid(chosen, found) == expected
    (places,) = tokens(chosen, found, [images(chosen, 2)])
    assert places.shape[1] == expected[0] * expected[1]


def test_oblong_patches_have_the_grid_that_the_network_cuts() -> None:
    oblong = network("vit_tiny_patch16_224", **{**VIT, "patch_size": [8, 4]})
    block, batch = tap(oblong, "blocks.0"), images(oblong, 4)
    assert grid(oblong, block) == (4, 12)
    assert pixel_patches(batch, (4, 12)).shape == (4, 48, 8 * 4 * 3)


def test_pixel_patches_are_the_pixels_of_each_cell(vit: Network) -> None:
    batch = images(vit)
    patches = pixel_patches(batch, (4, 6))
    assert patches.shape == (6, 24, 8 * 8 * 3)
    here = batch[:, :, 16:24, 32:40]
    cell = here.permute(0, 2, 3, 1).reshape(6, -1).numpy()
    assert (patches[:, place(2, 4, of=(4, 6))] == cell).all()


def test_a_patch_embedding_without_bias_keeps_what_pixel_patches_tell(vit: Network) -> None:
    """Each embedded patch is a linear map of its own pixel patch and of no other."""
    embedded, batch = tap(vit, "patch_embed"), images(vit)
    (before,) = tokens(vit, embedded, [batch])
    changed = batch.clone()
    changed[:, :, 8:16, 0:8] += 1.0
    (after,) = tokens(vit, embedded, [changed])
    moved = np.flatnonzero(np.abs(after - before).max(axis=(0, 2)) > 1e-4)
    patches = np.abs(pixel_patches(changed, (4, 6)) - pixel_patches(batch, (4, 6)))
    assert moved.tolist() == np.flatnonzero(patches.max(axis=(0, 2))).tolist() == [6]


def test_finer_places_are_joined_by_the_cell_that_covers_them() -> None:
    fine = np.arange(4 * 6, dtype=np.float32).reshape(1, 24, 1)
    cells = grouped(fine, (4, 6), (2, 3))
    assert cells[0].tolist() == [
        [0, 1, 6, 7],
        [2, 3, 8, 9],
        [4, 5, 10, 11],
        [12, 13, 18, 19],
        [14, 15, 20, 21],
        [16, 17, 22, 23],
    ]
    assert (grouped(fine, (4, 6), (4, 6)) == fine).all()


@pytest.mark.parametrize("onto", [(3, 6), (8, 6), (4, 4), (0, 6)])
def test_a_grid_that_does_not_divide_is_refused(onto: tuple[int, int], vit: Network) -> None:
    fine = np.zeros((5, 24, 2), np.float32)
    with pytest.raises(AnalysisError, match=f"{onto[0]} x {onto[1]} does not divide one of 4 x 6"):
        grouped(fine, (4, 6), onto)
    with pytest.raises(AnalysisError, match="7 x 7 does not divide one of 32 x 48"):
        pixel_patches(images(vit), (7, 7))


def test_places_of_another_grid_are_refused() -> None:
    with pytest.raises(AnalysisError, match=r"\(5, 25, 2\), expected \(images, 24, features\)"):
        grouped(np.zeros((5, 25, 2), np.float32), (4, 6), (4, 6))


@pytest.mark.parametrize(("row", "column"), [(4, 0), (0, 6), (-1, 0), (0, -1)])
def test_a_place_outside_of_the_grid_is_refused(row: int, column: int) -> None:
    with pytest.raises(AnalysisError, match=f"row {row}, column {column} of a grid 4 x 6; rows go"):
        place(row, column, of=(4, 6))
    assert [place(r, c, of=(4, 6)) for r in range(4) for c in range(6)] == list(range(24))


@pytest.mark.parametrize(
    ("of", "expected"),
    [((7, 7), (7, 7)), ((28, 28), (14, 14)), ((56, 28), (14, 7)), ((17, 19), (17, 19))],
)
def test_a_fine_grid_is_put_together_onto_one_that_divides_it(
    of: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert coarsened(of, most=200) == expected
    grouped(np.zeros((4, of[0] * of[1], 1), np.float32), of, expected)


def test_places_inside_are_not_at_the_rim() -> None:
    assert inside((3, 4)).tolist() == [5, 6]
    assert inside((2, 9)).tolist() == []


def test_patches_are_embedded_where_a_network_embeds_them(
    vit: Network, mixer: Network, resnet: Network
) -> None:
    names = [tap and tap.name for tap in map(embedding, (vit, mixer, resnet))]
    assert names == ["patch_embed", "stem", None]


def test_taps_without_locations_are_refused_before_anything_runs(
    resnet: Network, mixer: Network
) -> None:
    with pytest.raises(AnalysisError, match=r"'global_pool' of resnet18 of shape \(16,\) is neit"):
        tokens(resnet, tap(resnet, "global_pool"), [])
    with pytest.raises(AnalysisError, match=r"mlp_tokens.fc1' of .* no locations"):
        grid(mixer, tap(mixer, "blocks.1.mlp_tokens.fc1"))
    cait = network("cait_xxs24_224", img_size=32, patch_size=8, depth=1, embed_dim=24, num_heads=2)
    with pytest.raises(AnalysisError, match="no locations"):
        grid(cait, tap(cait, "blocks_token_only.0"))


@pytest.mark.parametrize(
    ("family", "name", "least"),
    [("vit", "blocks.0", 0.9), ("mixer", "blocks.0", 0.5), ("resnet", "layer2.0", 0.2)],
)
def test_untrained_zoo_networks_keep_locations_low_down(
    family: str, name: str, least: float
) -> None:
    """Random projections of each patch, which a skip or a small filter carries upwards."""
    chosen = zoo(family)
    found = tap(chosen, name)
    batches = [images(chosen, 32, seed) for seed in range(3)]
    patches = (pixel_patches(batch, grid(chosen, found)) for batch in batches)
    scores = score(localize(tokens(chosen, found, batches), patches))
    assert scores.left_out == ()
    assert scores.share.value > least
    chance = (scores.patches + 1) / 2
    assert 1.0 <= scores.rank.value < 0.2 * chance
    assert scores.z.low is not None and scores.z.high is not None
    assert 2.0 < scores.z.low <= scores.z.high < np.inf
