"""Which probes a claim is about, and what numbers it makes of them."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.experiments.probes import depth_cases, token_cases
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.similarity import jackknifed

# What all probes of an image share cancels in their differences.
SHARED = np.random.default_rng(0).normal(0, 0.01, (50, 1))
SHARED -= SHARED.mean()
Row = tuple[str, str, int, float]


def difference(case: Case) -> float:
    (one,) = case.contrasts
    return one.difference.value


def model(
    name: str,
    rows: list[Row],
    *,
    family: str = "vit",
    pooling: str = "CLS",
    fraction: float = 1.0,
    source: str = "sample",
    seed: int = 0,
) -> ModelResult:
    """A network whose probes are ``rows`` of tap, feature, shots and accuracy."""
    tap, feature, shots, accuracy = (list(column) for column in zip(*rows, strict=True))
    facts: dict[str, Any] = {
        "family": family,
        "trained": True,
        "pooling": pooling,
        "built": {"from": family, "arguments": {"class_token": pooling == "CLS"}},
        "origin": {"data": "Fashion-MNIST", "fraction": fraction, "start": None, "seed": seed},
    }
    dataset = xr.Dataset(
        coords={
            "tap": ("probe", tap),
            "feature": ("probe", feature),
            "shots": ("probe", shots),
            "depth": ("probe", [float(name.removeprefix("t")) for name in tap]),
        },
        attrs={"facts": facts, "images": {"source": source}, "chance": 0.1},
    )
    jackknifed(np.array(accuracy) + SHARED).enter(dataset, "accuracy", "probe")
    return ModelResult(name, family, dataset, None, facts)


def by_depth(*accuracies: float) -> list[Row]:
    full: list[Row] = [(f"t{i}", "mean", 0, 0.99) for i in range(len(accuracies))]
    few: list[Row] = [(f"t{i}", "mean", 10, value) for i, value in enumerate(accuracies)]
    return [row for pair in zip(few, full, strict=True) for row in pair]


def last(cls: float | None, *tokens: float) -> list[Row]:
    rows: list[Row] = [("t1", "token", 10, 0.1), ("t2", "mean", 10, 0.6), ("t2", "mean", 0, 0.9)]
    rows += [("t2", "token", 10, value) for value in tokens]
    return rows if cls is None else [*rows, ("t2", "cls", 10, cls)]


def test_tokens_that_average_pooling_trains_probe_better_than_those_beside_a_class_token() -> None:
    classed = model("ViT", last(0.9, 0.4, 0.5))
    pooled = model("GAP", last(None, 0.8, 0.8, 0.7, 0.9), pooling="GAP")
    found = token_cases([classed, pooled])
    assert [one.id for one in found] == ["E10-pooled", "E10-token"]
    assert [one.verdict for one in found] == ["holds", "holds"]
    np.testing.assert_allclose([*map(difference, found)], [0.8 - 0.45, 0.9 - 0.45])
    assert found[0].contrasts[0].measure.startswith("10-shot mean accuracy")
    # Alone, a network says what it can.
    assert [one.id for one in token_cases([classed])] == ["E10-token"]
    assert not token_cases([pooled])
    turned = model("ViT", last(0.3, 0.95, 0.95))
    assert [one.verdict for one in token_cases([turned, pooled])] == ["does not hold"] * 2


def test_more_data_is_judged_by_the_middle_third_against_the_others() -> None:
    whole = model("all", by_depth(0.3, 0.5, 0.8, 0.9, 0.9, 0.9))
    again = model("all again", by_depth(0.3, 0.5, 0.8, 0.9, 0.9, 0.9), seed=1)
    part = model("3 percent", by_depth(0.3, 0.4, 0.4, 0.4, 0.8, 0.8), fraction=0.03)
    half = model("half", by_depth(0.3, 0.5, 0.8, 0.9, 0.9, 0.9), fraction=0.5)
    found = depth_cases([half, part, whole, again])
    assert [one.networks for one in found] == [("3 percent", "all"), ("3 percent", "all again")]
    assert [(one.id, one.verdict) for one in found] == [("E12-middle", "holds")] * 2
    (number,) = found[0].contrasts
    assert number.first[1].value == pytest.approx(0.45)
    assert number.second[1].value == pytest.approx((0.0 + 0.1 + 0.1 + 0.1) / 4)
    # Nothing gained is less than what matters.
    (turned,) = depth_cases([half, whole])
    assert (turned.verdict, difference(turned)) == ("does not hold", pytest.approx(0))


def test_the_middle_layers_of_vit_and_resnet_are_compared_on_the_images_own_terms() -> None:
    for source, claimed in (("sample", "E12-resnet"), ("digits", "E12-transfer")):
        vit = model("ViT", by_depth(0.1, 0.7, 0.2), source=source)
        resnet = model("ResNet", by_depth(0.6, 0.5, 0.9), family="resnet", source=source)
        (found,) = depth_cases([vit, resnet])
        assert found.id == claimed
        assert difference(found) == pytest.approx(0.7 - 0.5)
