"""What an anatomy's report says follows from the numbers: verdicts, and nothing of what is not."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from tasks import attention_section, field_section, localization_section, skip_section
from tasks.looked import Looked, words

DRAWN = np.random.default_rng(0).normal(0, 0.01, (200, 1))


def dataset(dim: str, coords: dict[str, list[Any]], **numbers: list[float]) -> xr.Dataset:
    variables: dict[str, Any] = {}
    for name, values in numbers.items():
        variables[name] = (dim, np.array(values))
        variables[f"{name}_drawn"] = (("resample", dim), np.array(values) + DRAWN)
    return xr.Dataset(variables, {name: (dim, values) for name, values in coords.items()})


def heads(*distances: list[float], uniform: float = 100.0) -> xr.Dataset:
    number = [block for block, own in enumerate(distances) for _ in own]
    made = dataset("head", {"block_number": number}, plain=[d for own in distances for d in own])
    made["plain_uniform"] = ("head", np.full(len(number), uniform))
    return made


def test_local_heads_below_and_global_ones_above_agree_with_the_study() -> None:
    own = heads([20.0, 90.0], [30.0, 95.0], [95.0, 97.0], [96.0, 98.0])
    flat = heads([99.0, 99.0], [99.0, 99.0], [99.0, 99.0], [99.0, 99.0])
    found = list(attention_section.claims(Looked("ViT", "vit", own, flat)))
    assert [one.verdict for one in found] == ["holds"] * 3
    numbers = [dict(one.measured)["difference"].value for one in found]
    np.testing.assert_allclose(numbers, [50 - 20, 95 - 20, 75 - 3])
    assert "the difference is 75.00" in words(found[1])
    turned = heads([95.0, 97.0], [96.0, 98.0], [20.0, 90.0], [30.0, 95.0])
    found = list(attention_section.claims(Looked("ViT", "vit", turned, None)))
    assert [one.verdict for one in found] == ["does not hold"] * 3
    assert not found[0].untrained


def test_of_one_block_and_of_windows_nothing_is_claimed() -> None:
    assert not list(attention_section.claims(Looked("a", "vit", heads([20.0, 90.0]), None)))
    windows = heads([1.0, 2.0], [3.0, 4.0])
    windows["plain_uniform"] = ("head", [5.0, 5.0, 50.0, 50.0])
    assert not list(attention_section.claims(Looked("Swin", "SwinTransformer", windows, None)))


def sums(ratios: list[float], tokens: list[str]) -> xr.Dataset:
    return dataset("sum", {"token": tokens, "kind": ["mlp"] * len(tokens)}, ratio=ratios)


def test_class_token_and_patches_change_places_in_the_middle() -> None:
    tokens = ["cls"] * 4 + ["spatial"] * 4
    vit = Looked("ViT", "vit", sums([9, 8, 2, 1, 3, 3, 7, 7], tokens), None)
    resnet = Looked("ResNet", "resnet", sums([1.0, 1.2], ["spatial"] * 2), None)
    found = list(skip_section.claims([vit, resnet]))
    assert [one.verdict for one in found] == ["holds"] * 3
    numbers = [dict(one.measured)["difference"].value for one in found]
    np.testing.assert_allclose(numbers, [8.5 - 1.5, 7 - 3, 5 - 1.1])
    # Of a ViT without a class token, and alone, there is nothing to say.
    assert not list(skip_section.claims([Looked("GAP", "vit", resnet.own, None)]))


def fields(shares: list[float], radii: list[float], roles: list[str], kind: str) -> xr.Dataset:
    coords: dict[str, list[Any]] = {"role": roles, "kind": [kind] * len(roles)}
    return dataset("layer", coords, centre_share=shares, radius_95=radii)


@pytest.mark.parametrize("with_twin", [True, False])
def test_fields_global_early_and_centred_after_the_sum_agree(with_twin: bool) -> None:
    roles = ["before", "after"] * 2
    own = fields([0.1, 0.6, 0.1, 0.4], [16.0, 15.0, 16.0, 16.0], roles, "attention")
    # Its branches could not be measured: the twin is left out where they are needed.
    twin = fields([0.9, 0.9], [8.0, 8.0], ["after"] * 2, "attention") if with_twin else None
    resnet = fields([0.1] * 4, [2.0, 5.0, 9.0, 16.0], ["after"] * 4, "unit")
    found = list(
        field_section.claims(
            [Looked("ViT", "vit", own, twin), Looked("ResNet", "resnet", resnet, None)]
        )
    )
    assert [one.verdict for one in found] == ["holds", "holds"]
    numbers = [dict(one.measured)["difference"].value for one in found]
    np.testing.assert_allclose(numbers, [0.5 - 0.1, 15 / 16 - 2 / 16])
    assert not found[0].untrained


def places(*shares: float, kind: str = "tokens") -> xr.Dataset:
    coords: dict[str, list[Any]] = {
        "patches": ["pixels"] * len(shares),
        "is_block": [True] * len(shares),
        "kind": [kind] * len(shares),
    }
    return dataset("layer", coords, share=list(shares), inside_share=list(shares))


def facts(pooling: str, **arguments: Any) -> dict[str, Any]:
    built = {"from": "vit", "arguments": {"depth": 3, **arguments}}
    return {"pooling": pooling, "built": built, "trained": True}


def test_tokens_of_a_vit_are_compared_with_a_resnets_and_with_its_pooled_twins() -> None:
    vit = Looked("ViT", "vit", places(1.0, 0.8, 0.1), None, facts("CLS"))
    pooled = Looked("GAP", "vit", places(1.0, 0.5, 0.9), None, facts("GAP", class_token=False))
    resnet = Looked("ResNet", "resnet", places(0.9, 0.6, 0.2, kind="map"), None, facts("GAP"))
    found = list(localization_section.claims([pooled, resnet, vit]))
    assert [one.id for one in found] == ["E8-own", "E8-resnet", "E9-pooled"]
    numbers = [dict(one.measured)["difference"].value for one in found]
    np.testing.assert_allclose(numbers, [0.8 - 0.5, 0.8 - 0.2, 0.8 - 0.5])
    other = Looked("other", "vit", places(1.0, 0.8, 0.1), None, facts("CLS", embed_dim=7))
    assert [one.id for one in localization_section.claims([pooled, other])] == ["E8-own"]
