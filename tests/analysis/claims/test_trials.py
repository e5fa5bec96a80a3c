"""What is read off a CKA matrix: planted structure is found, a mere fall with distance is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seelike.analysis.claims import matrix_statistics as statistics
from seelike.analysis.claims.experiments.comparison import cases, fine_cases, stages
from seelike.analysis.claims.findings import Side
from seelike.analysis.claims.layer_parts import (
    block_contrast,
    block_contrast_by_chance,
    smooth_fall,
    stage_contrast,
    stage_contrast_by_chance,
    within_and_across,
)
from seelike.analysis.errors import AnalysisError

from .simulated import compared, facts, falling, grouped, names, of_one, walk


@settings(deadline=None, max_examples=30)
@given(st.integers(8, 12), st.floats(0.01, 0.5), st.data())
def test_a_mere_fall_with_distance_has_no_parts(count: int, rate: float, data: st.DataObject):
    part = data.draw(st.lists(st.integers(-1, 2), min_size=count, max_size=count))
    matrix = falling(count, rate)
    assert block_contrast(matrix) == pytest.approx(0, abs=1e-12)
    try:
        inside, between = within_and_across(matrix, part)
    except AnalysisError:
        return
    np.testing.assert_allclose(inside, between)


def test_planted_parts_are_told_by_how_far_apart_they_are() -> None:
    part = np.array([-1, 0, 0, 1, 1, 1])
    matrix = falling(6, 0.1) - 0.25 * np.not_equal.outer(part, part)
    assert stage_contrast(matrix, part) == pytest.approx(0.25)
    # At a distance of one and two layers there are pairs of both kinds.
    apart = [np.diagonal(matrix, k) for k in (1, 2)]
    same = [np.equal(part[:-k], part[k:]) & (part[:-k] >= 0) for k in (1, 2)]
    other = [~one & (part[:-k] >= 0) for k, one in zip((1, 2), same, strict=True)]
    expected = [
        np.mean([cka[chosen].mean() for cka, chosen in zip(apart, each, strict=True)])
        for each in (same, other)
    ]
    assert within_and_across(matrix, part) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("at", [2, 3, 5, 6])
def test_two_blocks_are_divided_where_it_tells_most(at: int) -> None:
    halves = np.arange(8) >= at
    matrix = falling(8, 0.1) - 0.2 * np.not_equal.outer(halves, halves)
    assert block_contrast(matrix) == pytest.approx(0.2)
    divisions = [stage_contrast(matrix, np.arange(8) >= i) for i in range(2, 7)]
    assert block_contrast(matrix) == pytest.approx(max(divisions))
    planted = grouped(halves.tolist(), inside=0.9, between=0.5)
    assert block_contrast(planted) == pytest.approx(0.4)
    # Two layers of eight come to stand together by chance in more than 5 % of orders.
    assert (block_contrast_by_chance(planted) < 0.39) == (at in (3, 5))


@pytest.mark.parametrize(("count", "start"), [(8, 1), (12, 1), (9, 4)])
def test_a_random_walk_falls_smoothly(count: int, start: int) -> None:
    matrix = walk(count, start=start)
    np.testing.assert_allclose(smooth_fall(matrix), matrix, atol=0.02)
    assert block_contrast(matrix) == pytest.approx(block_contrast(smooth_fall(matrix)), abs=0.01)
    # Chance alone gives at least as much, without what images add.
    assert block_contrast_by_chance(matrix) > block_contrast(matrix) - 0.01


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 0.03))
def test_a_smooth_fall_is_fitted_where_it_is_one(even: float, early: float, late: float) -> None:
    step = np.arange(1, 9)
    place = np.concatenate([[0], np.cumsum(even + early / step + late * step)])
    matrix = np.exp(-np.abs(np.subtract.outer(place, place)))
    np.testing.assert_allclose(smooth_fall(matrix), matrix, atol=1e-9)


def test_what_has_no_logarithm_has_no_smooth_fall() -> None:
    matrix = falling(8, 0.1)
    matrix[0, 7] = matrix[7, 0] = -0.01
    with pytest.raises(AnalysisError, match=r"CKA of -0\.01"):
        smooth_fall(matrix)


def test_chance_is_the_95_percent_point_over_random_orders_of_units() -> None:
    part = np.array([-1, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    # Alike whatever the distance: a smooth fall tells nothing, orders of units do.
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.05, (10, 10))
    matrix = np.clip(0.6 + noise + noise.T, 0.01, 1)
    np.fill_diagonal(matrix, 1)
    own = np.flatnonzero(part >= 0)
    shuffled = []
    for _ in range(2000):
        order = rng.permutation(own)
        shuffled.append(stage_contrast(matrix[np.ix_(order, order)], part[own]))
    smooth = stage_contrast(smooth_fall(matrix[np.ix_(own, own)]), part[own])
    found = stage_contrast_by_chance(matrix, part)
    assert found == pytest.approx(max(smooth, np.quantile(shuffled, 0.95)), abs=0.01)
    assert found > smooth
    assert stage_contrast_by_chance(matrix, part) == found


def test_parts_without_pairs_and_too_few_layers_are_errors() -> None:
    with pytest.raises(AnalysisError, match=r"\[0, 1, 2\] have no pairs"):
        within_and_across(falling(3, 0.1), [0, 1, 2])
    for number in (block_contrast, block_contrast_by_chance):
        with pytest.raises(AnalysisError, match=r"7 layers .* 8 or more"):
            number(falling(7, 0.1))
    with pytest.raises(AnalysisError, match=r"1 layers .* 2 or more"):
        statistics.least_similar(np.ones((1, 1)))


def test_a_model_with_one_layer_has_no_number_but_a_reason() -> None:
    planted = np.eye(5)
    planted[1:, 1:] = falling(4, 0.1)
    models = {"vit": (facts("vit"), ["blocks.0"]), "resnet": (facts("resnet"), names(4))}
    measured = compared(planted, models)
    found = {case.id: case for case in cases(measured)}
    for id in ("E1-ends", "E1-lowest", "E2-lower-half"):
        assert found[id].verdict == "can't tell" and not found[id].contrasts
        assert all(word in found[id].obstacle for word in ("2 layers of vit", "has 1", "taps"))
    # What one layer of a ViT is enough for has its number.
    assert found["E2-last-third"].contrasts
    assert "2 layers of vit" in measured.too_few_layers("vit")
    assert measured.too_few_layers("resnet") == ""
    assert "8 layers of resnet" in measured.too_few_layers("resnet", needed=8)
    within = Side("vit", "vit", "vit", statistics.bottom_top)
    with pytest.raises(AnalysisError, match=r"2 layers of vit.* has 1"):
        measured.estimate(within)


def test_means_over_pairs() -> None:
    matrix = np.arange(9.0).reshape(3, 3)
    assert statistics.overall(matrix) == 4
    assert statistics.paired(matrix, ([0, 1], [1, 2])) == (1 + 5) / 2


def test_extremes_are_means_of_five_percent_of_pairs() -> None:
    rng = np.random.default_rng(0)
    within = rng.uniform(size=(10, 10))
    within = within + within.T
    pairs = sorted(within[i, j] for i in range(10) for j in range(i))
    # Of 45 pairs 5 % are three, rounded up.
    assert statistics.least_similar(within) == pytest.approx(np.mean(pairs[:3]))
    across = rng.uniform(size=(12, 10))
    # The last third of ten layers are four, with twelve others: 48 pairs, three of them.
    expected = np.sort(across[:, 6:].ravel())[-3:].mean()
    assert statistics.last_third_resemblance(across) == pytest.approx(expected)


def test_best_matches_of_the_lower_half_in_the_lowest_quarter_and_above() -> None:
    across = np.random.default_rng(1).uniform(size=(7, 10))
    # Four of seven rows, three of ten columns: shares are rounded up.
    low = np.mean([across[i, :3].max() for i in range(4)])
    high = np.mean([across[i, 3:].max() for i in range(4)])
    assert statistics.match_in_lowest_quarter(across) == pytest.approx(low)
    assert statistics.match_higher_up(across) == pytest.approx(high)


def test_the_bottom_and_the_top_quarter() -> None:
    within = np.random.default_rng(2).uniform(size=(9, 9))
    assert statistics.bottom_top(within) == pytest.approx(within[:3, -3:].mean())


RESNET = ["act1", *(f"layer{i}.{j}" for i in range(1, 5) for j in range(2))]
BIT = ["stem", *(f"stages.{i}.blocks.{j}" for i in range(4) for j in range(2))]
STAGE = [-1, 0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("taps", [RESNET, BIT])
@pytest.mark.parametrize(
    ("inside", "between", "verdict"), [(0.9, 0.5, "holds"), (0.5, 0.9, "does not hold")]
)
def test_stages_are_read_off_the_names_of_units(
    taps: list[str], inside: float, between: float, verdict: str
) -> None:
    assert stages(taps) == STAGE
    planted = grouped(STAGE, inside=inside, between=between)
    (found,) = cases(of_one(planted, "resnet", taps))
    assert (found.id, found.verdict) == ("E1-stages", verdict)
    # One unit a stage, as in the smallest networks, says nothing of stages.
    assert stages(["act1", "layer1.0", "layer2.0"]) is None


def test_the_grid_is_the_stream_against_its_branches() -> None:
    taps = ["patch_embed", "blocks.0:input"]
    for i in range(2):
        taps += [f"blocks.{i}.{n}" for n in ("norm1", "attn", "norm2:input", "norm2", "mlp.act")]
        taps.append(f"blocks.{i}")
    branch = np.array([tap.endswith(("attn", "mlp.act")) for tap in taps])
    planted = np.where(np.not_equal.outer(branch, branch), 0.5, falling(len(taps), 0.01))
    (found,) = fine_cases(of_one(planted, "vit", taps))
    assert (found.id, found.verdict) == ("E1-grid", "holds")
    (number,) = found.contrasts
    # Four sums: four steps along the stream, and a branch for each.
    along = np.exp(-0.01 * np.array([3, 3, 3, 3]))
    assert number.first[1].value == pytest.approx(along.mean(), abs=0.02)
    assert number.second[1].value == pytest.approx(0.5, abs=0.02)
    assert not fine_cases(of_one(planted[:2, :2], "vit", taps[:2]))
    assert not fine_cases(of_one(planted, "mixer", taps))


def test_numbers_of_an_untrained_network_stand_beside() -> None:
    planted = np.kron(np.eye(4), np.zeros((8, 8)))
    rates = {"vit": 0.02, "resnet": 0.3, "vit untrained": 0.05, "resnet untrained": 0.1}
    for at, rate in enumerate(rates.values()):
        planted[8 * at : 8 * at + 8, 8 * at : 8 * at + 8] = falling(8, rate)
    models = {name: (facts(name.split()[0]), names(8)) for name in rates}
    baselines = {"vit": "vit untrained", "resnet": "resnet untrained"}
    found = {case.id: case for case in cases(compared(planted, models, baselines=baselines))}
    (ends,) = found["E1-ends"].contrasts
    expected = {name: falling(8, rate)[:2, -2:].mean() for name, rate in rates.items()}
    apart = expected["vit"] - expected["resnet"]
    before = expected["vit untrained"] - expected["resnet untrained"]
    assert ends.difference.value == pytest.approx(apart, abs=0.02)
    assert ends.untrained.value == pytest.approx(before, abs=0.02)
    assert ends.learned.value == pytest.approx(apart - before, abs=0.03)
    assert found["E1-ends"].verdict == "holds"
    # Another network is no twin of both: the numbers before training are of both or of none.
    alone = cases(compared(planted, models, baselines={"vit": "vit untrained"}))
    assert next(case for case in alone if case.id == "E1-ends").contrasts[0].untrained is None
