"""Claims on stages, blocks and the fine grid: planted structure is found, a mere fall is not."""

import numpy as np
import pytest
from analysis.similarity.structure import overall, paired, two_blocks, within_and_across
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.claims.findings import Measured
from analysis.claims.trials import findings, fine_findings
from analysis.errors import AnalysisError


def falling(count: int, rate: float = 0.1) -> np.ndarray:
    """CKA that depends on the distance alone."""
    return np.exp(-rate * np.abs(np.subtract.outer(np.arange(count), np.arange(count))))


def measured(batches: np.ndarray, taps: list[str], family: str) -> Measured:
    """One model, whose CKA is that of ``batches`` (batches, T, T)."""
    return Measured(batches, ["m"] * len(taps), {"m": family}, {}, tap=taps)


@settings(deadline=None, max_examples=30)
@given(st.integers(4, 12), st.floats(0.01, 0.5), st.data())
def test_a_mere_fall_with_distance_has_no_parts(count: int, rate: float, data: st.DataObject):
    part = data.draw(st.lists(st.integers(-1, 2), min_size=count, max_size=count))
    matrix = falling(count, rate)
    try:
        inside, between = within_and_across(matrix, part)
    except AnalysisError:
        return
    np.testing.assert_allclose(inside, between)
    inside, between = two_blocks(matrix)
    np.testing.assert_allclose(inside, between)


def test_planted_parts_are_told_by_how_far_apart_they_are() -> None:
    part = np.array([-1, 0, 0, 1, 1, 1])
    matrix = falling(6) - 0.25 * np.not_equal.outer(part, part)
    inside, between = within_and_across(matrix, part)
    assert inside - between == pytest.approx(0.25)
    halves = np.arange(6) >= 3
    inside, between = two_blocks(falling(6) - 0.2 * np.not_equal.outer(halves, halves))
    assert inside - between == pytest.approx(0.2)


def test_parts_without_pairs_and_too_few_layers_are_errors() -> None:
    with pytest.raises(AnalysisError, match=r"\[0, 1, 2\] have no pairs"):
        within_and_across(falling(3), [0, 1, 2])
    with pytest.raises(AnalysisError, match="3 taps of a model, two blocks need at least 4"):
        two_blocks(falling(3))


def test_means_over_pairs() -> None:
    matrix = np.arange(9.0).reshape(3, 3)
    assert overall(matrix) == 4
    assert paired(matrix, ([0, 1], [1, 2])) == (1 + 5) / 2


RESNET = ["act1", "layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0", "layer3.1"]
BIT = ["stem", *(f"stages.{i}.blocks.{j}" for i in range(3) for j in range(2))]


@pytest.mark.parametrize("taps", [RESNET, BIT])
@pytest.mark.parametrize(("step", "verdict"), [(0.3, "holds"), (-0.3, "does not hold")])
def test_stages_are_read_off_the_names_of_units(taps: list[str], step: float, verdict: str) -> None:
    stage = np.array([-1, 0, 0, 1, 1, 2, 2])
    base = np.stack([falling(7, rate) for rate in (0.1, 0.12, 0.14)])
    np.einsum("bii->bi", base)[:] = 2.0
    (found,) = findings(measured(base - step * np.not_equal.outer(stage, stage), taps, "resnet"))
    assert (found.trial.id, found.verdict) == ("E1-stages", verdict)
    # One unit a stage, as in the smallest networks, says nothing of stages.
    assert not findings(measured(base[:, :3, :3], ["act1", "layer1.0", "layer2.0"], "resnet"))


def test_the_grid_is_the_stream_against_its_branches() -> None:
    taps = ["patch_embed", "blocks.0:input"]
    for i in range(2):
        taps += [f"blocks.{i}.{n}" for n in ("norm1", "attn", "norm2:input", "norm2", "mlp.act")]
        taps.append(f"blocks.{i}")
    branch = np.array([tap.endswith(("attn", "mlp.act")) for tap in taps])
    parts = np.stack([falling(len(taps), rate) for rate in (0.01, 0.012, 0.014)])
    parts = parts * np.where(np.not_equal.outer(branch, branch), 0.5, 1.0)
    (found,) = fine_findings(measured(parts, taps, "vit"))
    assert (found.trial.id, found.verdict) == ("E1-grid", "holds")
    # Four sums: four steps along the stream, and a branch for each.
    assert found.trained.first.value == pytest.approx(np.mean([0.976, 0.965]), abs=0.02)
    assert found.trained.second.value == pytest.approx(0.5 * 0.98, abs=0.02)
    assert not fine_findings(measured(parts[:, :2, :2], taps[:2], "vit"))
    assert not fine_findings(measured(parts, taps, "mixer"))
