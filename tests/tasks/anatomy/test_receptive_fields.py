"""Receptive fields of a network's layers: which layers, what is sampled, what limits them."""

from functools import lru_cache

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from seelike.analysis.claims.results import ModelResult
from seelike.analysis.networks import load, taps, transform
from seelike.analysis.networks.anatomy.field_numbers import (
    Patch,
    centre_share,
    radius,
    uniform_radius,
)
from seelike.analysis.networks.anatomy.receptive_fields import receptive_fields
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.same_tensor import same_tensor
from seelike.storage.images import from_sample
from seelike.tasks.anatomy.context import AnalysisInput
from seelike.tasks.anatomy.receptive_fields import fields
from seelike.tasks.planning.plans import StudyModel
from seelike.tasks.reports.anatomy.field_layers import (
    edge_count,
    groups,
    layer_label,
    limited,
    sampled,
    uniform_level,
)

COUNT = 6
VIT = {"img_size": 28, "patch_size": 7, "in_chans": 1, "depth": 2, "embed_dim": 36, "num_heads": 2}


def seen(
    *patterns: str, forward_batch: int = 64, timm: str = "vit_tiny_patch16_224", **changes: object
) -> AnalysisInput:
    spec = ModelSpec("net", timm=timm, arguments={**VIT, **changes} if "vit" in timm else changes)
    subject = StudyModel(spec, patterns, trained=False)
    return AnalysisInput(
        load(spec), subject, from_sample(count=COUNT), COUNT, forward_batch, "fields"
    )


@lru_cache
def found() -> xr.Dataset:
    return fields(seen("blocks"))


def rows(dataset: xr.Dataset) -> dict[str, tuple[str, str]]:
    return {
        str(tap): (str(role), str(kind))
        for tap, role, kind in zip(
            dataset["tap"].values, dataset["role"].values, dataset["kind"].values, strict=True
        )
    }


def test_layers_are_both_sides_of_all_sums_and_all_sublayers_each_once() -> None:
    assert rows(found()) == {
        "patch_embed": ("layer", ""),
        "blocks.0:input": ("layer", ""),
        **{
            f"blocks.{i}.{tap}".removesuffix("."): of
            for i in range(2)
            for tap, of in {
                "norm1": ("layer", "norm1"),
                "drop_path1": ("before", "attention"),
                "norm2:input": ("after", "attention"),
                "norm2": ("layer", "norm2"),
                "mlp.act": ("layer", "mlp.act"),
                "drop_path2": ("before", "mlp"),
                "": ("after", "mlp"),
            }.items()
        },
        "norm": ("layer", ""),
    }
    assert list(found()["depth"].values) == sorted(found()["depth"].values)
    assert found().attrs["left_out"] == {}


def test_what_the_study_taps_is_there_too_even_if_it_is_a_branch_by_another_name() -> None:
    dataset = fields(seen("blocks.*.attn", "blocks.0.attn.qkv", "head"))
    of = rows(dataset)
    assert of["blocks.0.attn"] == ("layer", "attn")
    assert of["blocks.0.attn.qkv"] == ("layer", "attn.qkv")
    assert "no locations" in dataset.attrs["left_out"]["head"]
    place = {name: at for at, name in enumerate(of)}
    own, branch = (dataset["field"].values[place[f"blocks.0.{n}"]] for n in ("attn", "drop_path1"))
    np.testing.assert_allclose(own, branch, rtol=1e-5)


def test_numbers_are_those_of_the_fields_whatever_a_pass_takes() -> None:
    one = seen("blocks")
    few = fields(seen("blocks", forward_batch=1))
    sample = from_sample(count=COUNT)
    x = torch.stack([transform(one.network)(sample.read(i)) for i in range(COUNT)])
    chosen = taps(one.network, [str(tap) for tap in found()["tap"].values])
    expected = receptive_fields(one.network, chosen, [x])
    for dataset in (found(), few):
        np.testing.assert_allclose(dataset["field"], expected, atol=1e-7)
        for at, field in enumerate(expected):
            patch = Patch(*dataset["patch"].values[at])
            share = float(dataset["centre_share"][at])
            assert share == pytest.approx(centre_share(field, patch), abs=1e-6)
            for name, part in (("radius_50", 0.5), ("radius_95", 0.95)):
                own = float(dataset[name][at])
                assert own == pytest.approx(radius(field, patch, share=part), abs=1e-4)
                even = float(dataset[f"{name}_uniform"][at])
                assert even == uniform_radius((28, 28), patch, share=part)
                assert bool(dataset[f"{name}_at_edge"][at]) == (own >= 0.95 * even)
    low, value, high = (found()[f"radius_95{end}"].values for end in ("_low", "", "_high"))
    assert np.isfinite(low).all() and (low <= value).all() and (value <= high).all()


def test_channels_are_counted_and_the_sample_is_stated() -> None:
    dataset = found()
    of = dict(zip(dataset["tap"].values, dataset["channels"].values, strict=True))
    assert (of["blocks.0"], of["blocks.0.mlp.act"]) == (36, 144)
    np.testing.assert_array_equal(dataset["channels_per_image"], 8)
    small = fields(seen("blocks", embed_dim=24))
    each = dict(zip(small["tap"].values, small["channels_per_image"].values, strict=True))
    assert (each["blocks.0"], each["blocks.0.mlp.act"]) == (24, 8)
    results = [ModelResult("36", "vit", dataset, None), ModelResult("24", "vit", small, None)]
    (sentence,) = sampled(results)
    for fact in ("more than 32 channels", "8 channels per image", "36 17 of 17", "24 2 of 17"):
        assert fact in sentence


def test_layers_that_the_image_limits_are_named() -> None:
    dataset = found().copy()
    edge = dataset["role"].values == "before"
    dataset["radius_95_at_edge"] = ("layer", edge)
    (sentence,) = limited([ModelResult("ViT", "vit", dataset, None)])
    assert "ViT" in sentence and "limited by the size of the image" in sentence
    dataset["radius_95_at_edge"] = ("layer", edge & False)
    assert not list(limited([ModelResult("ViT", "vit", dataset, None)]))
    assert edge_count(dataset, edge) == "0 of 4"
    assert not list(limited([])) and not list(sampled([]))
    assert [layer_label(role, kind) for kind, role in groups(dataset)] == [
        "after attention",
        "before attention",
        "after MLP",
        "before MLP",
        "norm1",
        "norm2",
        "mlp.act",
        "outside the blocks",
    ]


def test_the_uniform_field_is_a_level_where_it_is_one_number() -> None:
    rows = np.ones(found().sizes["layer"], bool)
    expected = float(found()["radius_95_uniform"][0])
    assert uniform_level("radius_95", [(found(), rows)]) == expected
    assert uniform_level("centre_share", [(found(), rows)]) is None
    other = found().copy()
    other["radius_95_uniform"] = other["radius_95_uniform"] + 1
    assert uniform_level("radius_95", [(found(), rows), (other, rows)]) is None


def test_a_layer_without_gradient_is_left_out_and_named() -> None:
    one = seen("blocks")
    branch = one.network.module.get_submodule("blocks.1.attn.proj")
    branch.weight.data.zero_()  # type: ignore[union-attr, operator]
    dataset = fields(one)
    assert list(dataset.attrs["left_out"]) == ["blocks.1.drop_path1"]
    assert "gradient of zero at its centre" in dataset.attrs["left_out"]["blocks.1.drop_path1"]
    assert "blocks.1.drop_path1" not in dataset["tap"].values


def test_taps_of_one_tensor_are_found_and_what_was_written_to_since_is_another() -> None:
    network = load(ModelSpec("mixer", zoo="mixer"))
    names = ["blocks.0.drop_path@0", "blocks.0.mlp_tokens", "blocks.0", "blocks.1.norm1:input"]
    some = {tap.name: tap for tap in taps(network, [*names, "blocks.1.norm1"])}
    in_order = [some.pop(name) for name in names] + list(some.values())
    assert same_tensor(network, in_order, torch.ones(1, 1, 28, 28)) == {
        "blocks.0.drop_path@0": "blocks.0.drop_path@0",
        "blocks.0.mlp_tokens": "blocks.0.drop_path@0",
        "blocks.0": "blocks.0",
        "blocks.1.norm1:input": "blocks.0",
        "blocks.1.norm1": "blocks.1.norm1",
    }
    written = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Identity(), nn.ReLU(inplace=True), nn.Flatten())
    small = Network("small", written, (1, 8, 8), {}, "small")
    first = same_tensor(small, taps(small, ["**"]), torch.ones(1, 1, 8, 8))
    assert first == {"0": "0", "1": "0", "2": "2", "3": "2"}
