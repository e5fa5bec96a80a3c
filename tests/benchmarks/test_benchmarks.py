"""Every item at toy size: its report follows from its measurements. Nothing here is timed."""

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.__main__ import ITEMS, main
from benchmarks.comparing import pairs_of_models
from benchmarks.harness import apart, markdown, report
from benchmarks.harness.bound import bound
from benchmarks.harness.clock import exponent, interleaved, spread
from benchmarks.harness.figures import figure
from benchmarks.harness.item import Item, Line, Plot, Result
from benchmarks.harness.machine import machine
from benchmarks.harness.networks import TOY_RESNET, TOY_VIT, images, modules, network, outputs
from benchmarks.harness.peers import PEERS, Loader
from benchmarks.recording.memory import alike
from benchmarks.statistics import accuracy, hostile

BY_NAME = {item.name: item for item in ITEMS}


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, Result]]:
    """Every item measured once; items that start processes of their own run in this one."""
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        for module in ("comparing.pairwise", "recording.memory"):
            patch.setattr(f"benchmarks.{module}.apart", lambda call, **given: call(**given))
        yield {item.name: item.measure(quick=True, device="cpu") for item in ITEMS}
    gc.unfreeze()


@pytest.mark.slow
@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_an_item_keeps_plain_numbers_and_says_them(item: Item, results: dict[str, Result]) -> None:
    result = json.loads(json.dumps(results[item.name], allow_nan=False))
    assert "| ---: |" in item.section(result)
    for goal in item.goals(result):
        assert goal.verdict in ("met", "**missed**", "not measured")
        assert (goal.met is None) == ("not measured" in goal.measured or "noise" in goal.measured)
    for panels in item.plots(result).values():
        assert len(figure(panels).axes) == len(panels)


@pytest.mark.slow
def test_every_goal_is_judged(results: dict[str, Result]) -> None:
    counts = {name: len(item.goals(results[name])) for name, item in BY_NAME.items()}
    assert counts == {
        "overhead": 2,
        "pairs_of_models": 1,
        "pairwise": 2,
        "writing": 1,
        "memory": 1,
        "growth": 0,
        "accuracy": 1,
        "sanity": 1,
        "probing": 1,
        "sanity_at_once": 1,
        "anatomy": 3,
        "blocks": 2,
        "nearest": 4,
        "significance": 3,
        "coverage": 2,
    }


@pytest.mark.slow
def test_overhead_compares_the_same_taps_at_a_bound_below_every_way(
    results: dict[str, Result],
) -> None:
    cases = results["overhead"]["cases"]
    assert {(case["model"], case["taps"]) for case in cases} == {
        (model, taps) for model in ("toy ViT", "toy ResNet") for taps in ("blocks", "paper")
    }
    for case in cases:
        assert (case["peer"] is None) == (case["peer_left_out"] != "")
        beyond = np.array(case["seelike"]["seconds"]["all"]) - case["bare"]["all"]
        np.testing.assert_allclose(case["seelike"]["beyond"]["all"], beyond)


def test_the_bound_is_the_smaller_way_of_every_shape() -> None:
    found = bound([32, 32, 48], n=8, device="cpu")
    assert 0 < found["seconds"] <= min(found["syrk"], found["half_gemm"])


@pytest.mark.slow
def test_seelike_stays_with_float64_where_float32_loses_it(results: dict[str, Result]) -> None:
    errors = results["accuracy"]["errors"]
    assert set(errors) == set(hostile.INPUTS)
    assert max(by_way["seelike"]["error"] for by_way in errors.values()) <= accuracy.GOAL
    if PEERS["pytorch-cka"].installed:
        assert errors["mean 1000"]["pytorch-cka"]["error"] > 0.1


def test_the_reference_is_the_golden_value() -> None:
    state = np.random.RandomState(1337)
    x = state.randn(100, 10)
    y = state.randn(100, 10) + x
    batches = (z.reshape(4, 25, 10) for z in (x, y))
    assert accuracy.reference(*batches) == pytest.approx(0.513268, abs=1e-6)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_gives_minibatch_cka_and_leaves_no_hook(name: str) -> None:
    peer = PEERS[name]
    if not peer.installed:
        pytest.skip(f"{name} is not installed")
    x, y = next(iter(hostile.pairs(accuracy.TOY, seed=1)))
    related = x.astype(np.float32), y.astype(np.float32)
    assert accuracy.of_peer(name, *related, "cpu") == pytest.approx(
        accuracy.reference(*related), abs=1e-4
    )
    a, b = (network(kind, device="cpu") for kind in (TOY_VIT, TOY_RESNET))
    taps_a, taps_b = outputs(a, "blocks"), outputs(b, "blocks")
    loader = Loader(images(a, batches=2, batch=8))
    matrix = peer.pairs(a.module, b.module, modules(taps_a), modules(taps_b), loader, "cpu")
    assert matrix.shape == (len(taps_a), len(taps_b))
    assert not any(m._forward_hooks for net in (a, b) for m in net.module.modules())


def test_pairs_that_were_not_run_cost_as_much_as_the_mean() -> None:
    runs: dict[tuple[int, int], Any] = {
        (0, 1): pairs_of_models.Run(1.0, None),
        (0, 2): pairs_of_models.Run(2.0, None),
        (1, 2): pairs_of_models.Run(3.0, None),
    }
    assert pairs_of_models.total_seconds(runs, 2) == 1.0
    assert pairs_of_models.total_seconds(runs, 3) == 6.0
    assert pairs_of_models.total_seconds(runs, 4) == 6 * 2.0


def test_taps_for_memory_are_of_one_shape_and_enough() -> None:
    net = network(TOY_VIT, device="cpu")
    chosen = alike(net, 7)
    assert len({tap.name for tap in chosen}) == 7
    assert len({tap.shape for tap in chosen}) == 1
    with pytest.raises(ValueError, match="1000 are wanted"):
        alike(net, 1000)


def test_a_plot_whose_points_were_lost_in_noise_says_so() -> None:
    plot = Plot("taps", "taps", "seconds", (Line("seelike", ()),))
    assert figure((plot,)).axes[0].texts[0].get_text() == "lost in noise"


def test_calls_take_turns() -> None:
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in "AB"}
    runs = interleaved(calls, repeats=2)
    assert order == ["A", "B", "A", "B"]
    assert [len(found) for found in runs.values()] == [2, 2]


def test_spread_and_exponent_are_what_they_say() -> None:
    assert spread([3, 1, 2]) == {"median": 2, "min": 1, "max": 3, "all": [3, 1, 2]}
    assert exponent((x, 5 * x**1.5) for x in (1, 2, 8)) == pytest.approx(1.5)
    assert exponent([(1, 1)]) is None
    assert exponent([(1, 1), (2, -1)]) is None


def test_a_process_apart_answers_or_tells_why_not() -> None:
    assert apart.apart(apart.peak_bytes) > 1e6
    assert apart.apart(markdown.size, count=2e9) == "2.00 GB"
    with pytest.raises(RuntimeError, match="TypeError"):
        apart.apart(markdown.size, count="many")


@pytest.mark.slow
def test_the_report_has_every_item_and_no_path(
    results: dict[str, Result], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = machine("cpu")
    for item in ITEMS:
        kept = {
            "machine": described,
            "when": "today",
            "seconds": 1.0,
            "result": results[item.name],
        }
        report.keep(item, kept, device="cpu", folder=tmp_path / "results")
    page = report.write(ITEMS, results=tmp_path / "results", docs=tmp_path / "docs")
    text = page.read_text()
    assert all(f"## {item.title}\n" in text for item in ITEMS)
    assert " of 25 goals are met" in text
    for plot in ("pairs-of-models", "memory", "growth"):
        assert f"(benchmarks/{plot}.svg)" in text
        assert (tmp_path / "docs" / "benchmarks" / f"{plot}.svg").stat().st_size > 1000
    written = text + "".join(f.read_text() for f in (tmp_path / "results").iterdir())
    assert not any(str(place) in written for place in (Path.cwd(), Path.home(), tmp_path))
    with pytest.raises(SystemExit, match="no results are kept"):
        report.write(ITEMS, results=tmp_path / "none", docs=tmp_path / "docs")
    with pytest.raises(SystemExit):
        main(["nonsense"])
    assert "unknown item 'nonsense'" in capsys.readouterr().err
