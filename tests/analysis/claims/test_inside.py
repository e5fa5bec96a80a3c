"""Which heads, sums, layers and places a claim is about, and what numbers it makes of them."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.experiments.attention import attention_cases
from seelike.analysis.claims.experiments.localization import localization_cases
from seelike.analysis.claims.experiments.receptive_fields import field_cases
from seelike.analysis.claims.experiments.residuals import residual_cases
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.similarity import jackknifed

# What all numbers of an image share cancels in their differences.
SHARED = np.random.default_rng(0).normal(0, 0.01, (50, 1))
SHARED -= SHARED.mean()
PATCH = 16.0


def dataset(dim: str, coords: dict[str, list[Any]], **numbers: list[float]) -> xr.Dataset:
    made = xr.Dataset(coords={name: (dim, values) for name, values in coords.items()})
    for name, values in numbers.items():
        jackknifed(np.array(values) + SHARED).enter(made, name, dim)
    return made


def differences(found: list[Case]) -> list[list[float]]:
    """Of each case, its numbers without those that are premises."""
    return [[one.difference.value for one in case.contrasts if not one.premise] for case in found]


def heads(*distances: list[float], uniform: float = 100.0) -> xr.Dataset:
    number = [block for block, own in enumerate(distances) for _ in own]
    coords = {"block_number": number, "patch": [PATCH] * len(number)}
    made = dataset("head", coords, plain=[d for own in distances for d in own])
    made["plain_uniform"] = ("head", np.full(len(number), uniform))
    return made


LOCAL = [[20.0, 90.0], [30.0, 95.0], [50.0, 50.0], [95.0, 97.0], [96.0, 98.0]]
FLAT = [[99.0, 99.0]] * 5


def test_local_heads_below_and_global_ones_above_agree_with_the_study() -> None:
    own, flat = heads(*LOCAL), heads(*FLAT)
    found = attention_cases([ModelResult("ViT", "vit", own, flat)])
    assert [one.id for one in found] == ["E3-local", "E3-highest", "E3-apart"]
    assert [one.verdict for one in found] == ["holds"] * 3
    # The most local quarter of four heads is one; block 2 is neither among the lowest two nor
    # among the highest.
    spreads = np.std([20, 90, 30, 95]) - np.std([95, 97, 96, 98])
    np.testing.assert_allclose(
        differences(found), np.array([[50 - 20], [95 - 20], [spreads]]) / PATCH
    )
    before = [case.contrasts[-1].untrained.value for case in found]
    np.testing.assert_allclose(before, np.array([50 - 99, 0, 0]) / PATCH, atol=1e-12)
    learned = [case.contrasts[-1].learned.value for case in found]
    np.testing.assert_allclose(learned, np.array([99 - 20, 95 - 20, spreads]) / PATCH)
    turned = attention_cases([ModelResult("ViT", "vit", heads(*LOCAL[::-1]), None)])
    # Without local heads below there is nothing that could be missing above.
    assert [one.verdict for one in turned] == ["does not hold", "can't tell", "does not hold"]
    assert turned[0].contrasts[0].untrained is None


def test_an_untrained_network_that_shows_as_much_makes_a_claim_one_of_architecture() -> None:
    found = attention_cases([ModelResult("ViT", "vit", heads(*LOCAL), heads(*LOCAL))])
    assert [one.verdict for one in found] == ["holds before training too"] * 3


def test_of_one_block_and_of_windows_nothing_is_claimed() -> None:
    assert not attention_cases([ModelResult("a", "vit", heads([20.0, 90.0, 1, 1]), None)])
    windows = heads([1.0, 2.0], [3.0, 4.0])
    windows["plain_uniform"] = ("head", [5.0, 5.0, 50.0, 50.0])
    assert not attention_cases([ModelResult("Swin", "vit", windows, None)])


def test_a_network_on_little_data_is_put_beside_every_seed_that_saw_all() -> None:
    def one(name: str, made: xr.Dataset, **origin: Any) -> ModelResult:
        known = {"data": "images", "fraction": 1.0, "start": None, "seed": 0} | origin
        return ModelResult(name, "vit", made, None, facts("CLS") | {"origin": known})

    whole, other = one("full", heads(*LOCAL)), one("full 1", heads(*LOCAL), seed=1)
    tenth, third = (one(f"{share}", heads(*FLAT), fraction=share) for share in (0.1, 0.3))
    found = [case for case in attention_cases([third, whole, tenth, other]) if "data" in case.id]
    assert [case.networks for case in found] == [("0.1", "full"), ("0.1", "full 1")]
    np.testing.assert_allclose(differences(found), [[(99 - 20) / PATCH]] * 2)
    assert [case.verdict for case in found] == ["holds"] * 2


def sums(ratios: list[float], tokens: list[str]) -> xr.Dataset:
    return dataset("sum", {"token": tokens, "kind": ["mlp"] * len(tokens)}, ratio=ratios)


def test_class_token_and_patches_change_places_in_the_middle() -> None:
    tokens = ["cls"] * 4 + ["spatial"] * 4
    vit = ModelResult("ViT", "vit", sums([9, 8, 2, 1, 3, 3, 7, 7], tokens), None)
    resnet = ModelResult("ResNet", "resnet", sums([1.0, 1.2], ["spatial"] * 2), None)
    found = residual_cases([vit, resnet])
    assert [one.id for one in found] == ["E6-token", "E6-patches", "E6-crossing", "E6-resnet"]
    assert [one.verdict for one in found] == ["holds"] * 4
    log = np.log
    expected = [
        [log([9, 8]).mean() - log([2, 1]).mean()],
        [log(7) - log(3)],
        [log([9, 8]).mean() - log(3), log(7) - log([2, 1]).mean()],
        [log([3, 3, 7, 7]).mean() - log([1, 1.2]).mean()],
    ]
    for own, numbers in zip(differences(found), expected, strict=True):
        # Logs are of means over images: what images share leaves them a little apart.
        np.testing.assert_allclose(own, numbers, atol=1e-9)
    # Of a ViT without a class token, and alone, there is nothing to say.
    assert not residual_cases([ModelResult("GAP", "vit", resnet.own, None)])


def fields(shares: list[float], radii: list[float], roles: list[str], kind: str) -> xr.Dataset:
    coords: dict[str, list[Any]] = {"role": roles, "kind": [kind] * len(roles)}
    made = dataset("layer", coords, centre_share=shares, radius_95=radii)
    made["radius_95_uniform"] = ("layer", np.full(len(roles), 20.0))
    return made


@pytest.mark.parametrize("with_twin", [True, False])
def test_fields_global_early_and_centred_after_the_sum_agree(with_twin: bool) -> None:
    roles = ["before", "after"] * 2
    own = fields([0.1, 0.6, 0.1, 0.4], [16.0, 15.0, 16.0, 16.0], roles, "attention")
    # Its branches could not be measured: the twin is left out where they are needed.
    twin = fields([0.9, 0.9], [8.0, 8.0], ["after"] * 2, "attention") if with_twin else None
    resnet = fields([0.1] * 4, [2.0, 5.0, 9.0, 16.0], ["after"] * 4, "unit")
    found = field_cases(
        [ModelResult("ViT", "vit", own, twin), ModelResult("ResNet", "resnet", resnet, None)]
    )
    assert [one.id for one in found] == ["E5-centre", "E5-early"]
    assert [one.verdict for one in found] == ["holds", "holds"]
    centre, early = differences(found)
    np.testing.assert_allclose(centre, [0.5 - 0.1])
    np.testing.assert_allclose(early, [(15 - 2) / 20, (16 - 2) / 20])
    assert found[0].contrasts[0].untrained is None


def places(*shares: float, kind: str = "tokens") -> xr.Dataset:
    coords: dict[str, list[Any]] = {
        "patches": ["pixels"] * len(shares),
        "is_block": [True] * len(shares),
        "kind": [kind] * len(shares),
    }
    return dataset("layer", coords, soft=list(shares), inside_soft=[s / 2 for s in shares])


def facts(pooling: str, **arguments: Any) -> dict[str, Any]:
    built = {"from": "vit", "arguments": {"depth": 3, **arguments}}
    return {"pooling": pooling, "built": built, "trained": True}


def test_tokens_of_a_vit_are_compared_with_a_resnets_and_with_its_pooled_twins() -> None:
    vit = ModelResult("ViT", "vit", places(1.0, 0.8, 0.1), None, facts("CLS"))
    gap = places(1.0, 0.5, 0.9)
    pooled = ModelResult("GAP", "vit", gap, None, facts("GAP", class_token=False))
    net = facts("GAP") | {"built": {"from": "resnet", "arguments": {}}}
    resnet = ModelResult("ResNet", "resnet", places(0.9, 0.6, 0.2, kind="map"), None, net)
    found = localization_cases([pooled, resnet, vit])
    assert [one.id for one in found] == ["E8-own", "E8-resnet", "E9-pooled"]
    np.testing.assert_allclose(differences(found), [[0.4 - 0.5], [0.8 - 0.2], [0.8 - 0.5]])
    other = ModelResult("other", "vit", places(1.0, 0.8, 0.1), None, facts("CLS", embed_dim=7))
    assert [one.id for one in localization_cases([pooled, other])] == ["E8-own"]
