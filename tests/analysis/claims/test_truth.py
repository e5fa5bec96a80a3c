"""Every claim ends as it should on simulated networks of which it is true, and false."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import xarray as xr

from seelike.analysis.claims import CLAIMS
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.experiments.attention import attention_cases, subsets_case
from seelike.analysis.claims.experiments.comparison import cases, fine_cases
from seelike.analysis.claims.experiments.localization import localization_cases
from seelike.analysis.claims.experiments.probes import depth_cases, token_cases
from seelike.analysis.claims.experiments.receptive_fields import field_cases
from seelike.analysis.claims.experiments.residuals import residual_cases
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.similarity.parts.head_subsets import Parts, agreement
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.single_factor.card_accuracy import accuracy_drop
from seelike.tasks.reports.comparison.single_factor.data_scale import halves
from seelike.tasks.reports.comparison.single_factor.fine_tuning import quarters
from seelike.tasks.reports.comparison.single_factor.skip_free import collapse
from seelike.tasks.reports.comparison.single_factor.skip_free_models import SkipFreeModel

from .simulated import (
    attention,
    compared,
    facts,
    falling,
    fields,
    grouped,
    localized,
    names,
    of_one,
    of_two,
    probed,
    result,
    shuffled,
    skips,
    walk,
)

Truth = Callable[[bool], Case]
STAGES = [0, 0, 1, 1, 2, 2, 3, 3]
UNITS = [f"layer{stage + 1}.{unit}" for stage in range(4) for unit in range(2)]


def one(id: str, found: Sequence[Case]) -> Case:
    (case,) = (case for case in found if case.id == id)
    return case


def within(true: bool, id: str) -> Case:
    alike, apart = falling(8, 0.02), falling(8, 0.3)
    vit, resnet = (alike, apart) if true else (apart, alike)
    return one(id, cases(of_two(vit, resnet, np.full((8, 8), 0.1))))


def stages(true: bool) -> Case:
    planted = grouped(STAGES, inside=0.9, between=0.5) if true else walk(8)
    return one("E1-stages", cases(of_one(planted, "resnet", UNITS)))


def grid(true: bool) -> Case:
    taps = ["blocks.0:input"]
    for block in range(4):
        taps += [f"blocks.{block}.attn", f"blocks.{block}.norm2:input"]
        taps += [f"blocks.{block}.mlp.act", f"blocks.{block}"]
    branch = ["attn" in tap or "act" in tap for tap in taps]
    same = np.equal.outer(branch, branch)
    planted = np.where(same, 0.95, 0.3) if true else np.where(same, 0.5, 0.69)
    np.fill_diagonal(planted, 1)
    return one("E1-grid", fine_cases(of_one(planted, "vit", taps)))


def lower_half(true: bool) -> Case:
    across = np.full((8, 8), 0.2)
    across[:4, :2] = 0.6 if true else 0.2
    across[:4, 5] = 0.2 if true else 0.6
    return one("E2-lower-half", cases(of_two(falling(8, 0.1), falling(8, 0.1), across)))


def last_third(true: bool) -> Case:
    across = np.full((8, 8), 0.6)
    across[:, -3:] = 0.2
    across[7, -3:] = 0.2 if true else 0.65
    return one("E2-last-third", cases(of_two(falling(8, 0.01), falling(8, 0.01), across)))


def mixer(true: bool) -> Case:
    near, far = (0.7, 0.3) if true else (0.3, 0.7)
    inside = falling(6, 0.02)
    blocks = [[1.0, 0.3, near], [0.3, 1.0, far], [near, far, 1.0]]
    planted = np.block(
        [[inside if i == j else np.full((6, 6), blocks[i][j]) for j in range(3)] for i in range(3)]
    )
    families = ("vit", "resnet", "mixer")
    measured = compared(planted, {name: (facts(name), names(6)) for name in families})
    return one("E2-mixer", cases(measured))


def heads(true: bool, id: str) -> Case:
    local, spread_out, alike = [3.0, 3.5, 4, 12, 15, 16], [14.0, 15, 16] * 2, [15.0] * 6
    lowest, highest = {
        "E3-local": (local if true else alike, alike),
        "E3-highest": (local, alike if true else [1.0, 1.5, 2, 14, 15, 16]),
        "E3-apart": (local if true else spread_out, alike if true else local),
    }[id]
    return one(id, attention_cases([result("vit", "vit", attention(lowest, highest))]))


def less_data(true: bool) -> Case:
    local, alike = [3.0, 3.5, 12, 15], [14.0, 15, 15, 16]
    part = attention(alike if true else local, alike)
    whole = result("full", "vit", attention(local, alike), seed=1)
    return one("E3-data", attention_cases([whole, result("part", "vit", part, fraction=0.1)]))


def subsets(true: bool, *, count: int = 12) -> Case:
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(8, 1, 500))
    share = np.linspace(0.9, 0.1, count) if true else np.linspace(0.1, 0.9, count)
    mixed = share[:, None] * unit + rng.normal(size=(8, count, 500))
    heads_, units_ = (
        Parts(x / np.linalg.norm(x, axis=2, keepdims=True), np.ones(x.shape[:2]))
        for x in (mixed, unit)
    )
    distance = np.linspace(2, 20, count) + rng.normal(size=(8, count)) * 0.1
    found = agreement(heads_, distance, units_)
    vit, resnet = (
        ModelResult(
            m,
            m,
            xr.Dataset(coords={"part": ["layer1.0"]}, attrs={"block": "b", "heads": count}),
            None,
        )
        for m in ("vit", "resnet")
    )
    return subsets_case(vit, resnet, found, None)


def centre(true: bool) -> Case:
    dataset = fields(after=0.6, before=0.2 if true else 0.6, low=8, high=14)
    return one("E5-centre", field_cases([result("vit", "vit", dataset)]))


def early(true: bool) -> Case:
    vit = fields(after=0.5, before=0.2, low=13 if true else 4, high=14)
    resnet = fields(after=0.5, before=0.2, low=4, high=12)
    both = [result("vit", "vit", vit), result("resnet", "resnet", resnet)]
    return one("E5-early", field_cases(both))


def norms(true: bool, id: str) -> Case:
    token, patches = [4.0, 4, 2, 2], [2.0, 2, 4, 4]
    vit = skips(token, patches) if true else skips(patches, token)
    resnet = skips([], [1.0] * 4 if true else [9.0] * 4)
    both = [result("vit", "vit", vit), result("resnet", "resnet", resnet)]
    return one(id, residual_cases(both))


def without_skips(true: bool) -> Case:
    intact, lacking = falling(8, 0.02), grouped([0] * 4 + [1] * 4, inside=0.9, between=0.2)
    second = lacking if true else intact
    planted = np.block([[intact, np.full((8, 8), 0.1)], [np.full((8, 8), 0.1), second]])
    models = {"intact": (facts("vit"), names(8)), "broken": (facts("vit", seed=5), names(8))}
    return collapse(compared(planted, models), SkipFreeModel("broken", "intact", 4, 4, 5))


def less_accurate(true: bool) -> Case:
    tested = {"intact": 9000, "broken": 8500 if true else 9000}
    known = {
        name: facts("vit", seed=i) | {"test": {"correct": right, "total": 10000}}
        for i, (name, right) in enumerate(tested.items())
    }
    dataset = xr.Dataset(attrs={"models": known})
    case = accuracy_drop(ComparisonView(dataset), SkipFreeModel("broken", "intact", 4, 4, 5))
    assert case is not None
    return case


def own_patch(true: bool, id: str) -> Case:
    vit = result("vit", "vit", localized(0.9 if true else 0.3))
    other = 0.3 if true else 0.9
    resnet = result("resnet", "resnet", localized(other))
    gap = result("gap", "vit", localized(other), pooling="GAP")
    return one(id, localization_cases([vit, resnet, gap]))


def tokens(true: bool, id: str) -> Case:
    high, low = (0.8, 0.4) if true else (0.4, 0.8)
    classed = probed([0.5] * 6, token=low, class_token=high)
    pooled = probed([0.5] * 6, token=high)
    both = [result("gap", "vit", pooled, pooling="GAP"), result("vit", "vit", classed)]
    return one(id, token_cases(both))


def more_data(true: bool) -> Case:
    gained = [0.1, 0.1, 0.3, 0.3, 0.1, 0.1] if true else [0.3, 0.3, 0.1, 0.1, 0.3, 0.3]
    part = probed([0.4] * 6)
    whole = probed([0.4 + gain for gain in gained])
    both = [result("full", "vit", whole), result("part", "vit", part, fraction=0.1)]
    return one("E12-middle", depth_cases(both))


def middle(true: bool, id: str) -> Case:
    source = "digits" if id == "E12-transfer" else "sample"
    vit, resnet = (
        probed([0.4, 0.4, level, level, 0.4, 0.4], source=source)
        for level in ((0.8, 0.6) if true else (0.6, 0.8))
    )
    return one(id, depth_cases([result("vit", "vit", vit), result("resnet", "resnet", resnet)]))


def same_layers(true: bool, id: str) -> Case:
    alike = np.linspace(0.95, 0.4, 8)
    planted = np.eye(16)
    for layer, cka in enumerate(alike if true else alike[::-1]):
        planted[layer, 8 + layer] = planted[8 + layer, layer] = cka
    models = {"other": (facts("vit"), names(8)), "full": (facts("vit", seed=1), names(8))}
    trial = (halves if id == "E11-lower" else quarters)(("other", "full"))
    return compared(planted, models).case(trial)


def blocks(true: bool) -> Case:
    planted = grouped([0] * 4 + [1] * 4, inside=0.9, between=0.4) if true else walk(8)
    return one("E14-blocks", cases(of_one(planted, "mixer")))


def of(truth: Callable[[bool, str], Case], *ids: str) -> dict[str, Truth]:
    return {id: (lambda true, id=id: truth(true, id)) for id in ids}


TRUTHS: dict[str, Truth] = {
    **of(within, "E1-ends", "E1-lowest"),
    "E1-stages": stages,
    "E1-grid": grid,
    "E2-lower-half": lower_half,
    "E2-last-third": last_third,
    "E2-mixer": mixer,
    **of(heads, "E3-local", "E3-highest", "E3-apart"),
    "E3-data": less_data,
    "E4-falls": subsets,
    "E5-centre": centre,
    "E5-early": early,
    **of(norms, "E6-token", "E6-patches", "E6-crossing", "E6-resnet"),
    "E7-collapse": without_skips,
    "E7-accuracy": less_accurate,
    **of(own_patch, "E8-own", "E8-resnet", "E9-pooled"),
    **of(tokens, "E10-pooled", "E10-token"),
    **of(same_layers, "E11-lower", "E13-preserved"),
    "E12-middle": more_data,
    **of(middle, "E12-resnet", "E12-transfer"),
    "E14-blocks": blocks,
}


def test_every_claim_of_the_catalogue_has_networks_of_which_it_is_true_and_false() -> None:
    assert sorted(TRUTHS) == sorted(claim.id for claim in CLAIMS)


@pytest.mark.parametrize("id", TRUTHS)
def test_a_claim_holds_where_it_is_true_and_does_not_where_it_is_false(id: str) -> None:
    right, wrong = TRUTHS[id](True), TRUTHS[id](False)
    assert right.id == wrong.id == id
    assert (right.verdict, wrong.verdict) == ("holds", "does not hold"), (right, wrong)


@pytest.mark.parametrize("id", ["E1-stages", "E14-blocks"])
def test_random_walks_and_shuffled_layers_have_no_stages_and_no_blocks(id: str) -> None:
    family, taps = ("resnet", UNITS) if id == "E1-stages" else ("mixer", names(8))
    planted = [
        *(walk(8, start=1 + seed) for seed in range(10)),
        *(shuffled(walk(8), seed) for seed in range(60)),
        *(shuffled(falling(8, 0.2), seed) for seed in range(60)),
    ]
    verdicts = [one(id, cases(of_one(matrix, family, taps))).verdict for matrix in planted]
    assert verdicts.count("holds") <= 0.05 * len(planted)


def test_a_network_that_lacks_local_heads_can_not_tell_where_they_went() -> None:
    alike = [15.0] * 6
    found = attention_cases([result("vit", "vit", attention(alike, [16.0] * 6))])
    assert one("E3-highest", found).verdict == "can't tell"
    assert "local heads" in one("E3-highest", found).remedy


def test_too_few_heads_or_layers_are_said_and_what_would_do() -> None:
    three = attention_cases([result("vit", "vit", attention([2.0], [9.0]))])
    assert {case.verdict for case in three} == {"can't tell"}
    assert all("2 heads" in case.remedy for case in three)
    few = subsets(True, count=7)
    assert few.verdict == "can't tell" and "7 heads" in few.remedy
    short = one("E14-blocks", cases(of_one(falling(6, 0.1), "mixer")))
    assert short.verdict == "can't tell" and "at least 8 layers" in short.remedy


def test_two_ways_to_say_the_same_have_to_agree() -> None:
    # On the whole the mixer is nearer the ViT, by best matches nearer the ResNet.
    planted = np.eye(18)
    blocks_of = {(0, 1): 0.2, (2, 0): 0.5, (2, 1): 0.2}
    for (i, j), cka in blocks_of.items():
        rows, columns = slice(6 * i, 6 * i + 6), slice(6 * j, 6 * j + 6)
        planted[rows, columns] = planted[columns, rows] = cka
    for layer in range(6):
        planted[12 + layer, 6 + layer] = planted[6 + layer, 12 + layer] = 0.7
        planted[:6, :6] = planted[12:, 12:] = falling(6, 0.05)
    families = ("vit", "resnet", "mixer")
    measured = compared(planted, {name: (facts(name), names(6)) for name in families})
    case = one("E2-mixer", cases(measured))
    assert {contrast.sign for contrast in case.contrasts} == {"holds", "does not hold"}
    assert case.verdict == "can't tell" and "contradict" in case.remedy
