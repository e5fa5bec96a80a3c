"""What a report of probes says follows from the numbers: verdicts, and nothing of what is not."""

from typing import Any

import numpy as np
import xarray as xr

from tasks import depth_probe_section, token_probe_section
from tasks.looked import Looked, words

DRAWN = np.random.default_rng(0).normal(0, 0.01, (200, 1))
Row = tuple[str, str, int, float]


def model(
    name: str,
    rows: list[Row],
    *,
    family: str = "vit",
    pooling: str = "CLS",
    fraction: float = 1.0,
    source: str = "sample",
) -> Looked:
    """A network whose probes are ``rows`` of tap, feature, shots and accuracy."""
    tap, feature, shots, accuracy = (list(column) for column in zip(*rows, strict=True))
    facts: dict[str, Any] = {
        "family": family,
        "pooling": pooling,
        "built": {"from": family, "arguments": {"class_token": pooling == "CLS"}},
        "origin": {"data": "Fashion-MNIST", "fraction": fraction, "start": None, "seed": 0},
    }
    values = np.array(accuracy)
    dataset = xr.Dataset(
        {
            "accuracy": ("probe", values),
            "accuracy_drawn": (("resample", "probe"), values + DRAWN),
        },
        {
            "tap": ("probe", tap),
            "feature": ("probe", feature),
            "shots": ("probe", shots),
            "depth": ("probe", [float(name.removeprefix("t")) for name in tap]),
        },
        {"facts": facts, "images": {"source": source}, "chance": 0.1},
    )
    return Looked(name, family, dataset, None)


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
    found = list(token_probe_section.claims([classed, pooled]))
    assert [one.id for one in found] == ["E10-pooled", "E10-token"]
    assert [one.verdict for one in found] == ["holds", "holds"]
    numbers = [dict(one.measured)["difference"].value for one in found]
    np.testing.assert_allclose(numbers, [0.8 - 0.45, 0.9 - 0.45])
    assert "10-shot mean accuracy of probes on single tokens" in words(found[0])
    # Alone, a network says what it can.
    assert [one.id for one in token_probe_section.claims([classed])] == ["E10-token"]
    assert not list(token_probe_section.claims([pooled]))
    turned = model("ViT", last(0.3, 0.95, 0.95))
    found = list(token_probe_section.claims([turned, pooled]))
    assert [one.verdict for one in found] == ["does not hold"] * 2


def test_more_data_is_judged_by_the_middle_third_against_the_others() -> None:
    whole = model("all", by_depth(0.3, 0.5, 0.8, 0.9, 0.9, 0.9))
    part = model("3 percent", by_depth(0.3, 0.4, 0.4, 0.4, 0.8, 0.8), fraction=0.03)
    half = model("half", by_depth(0.3, 0.5, 0.8, 0.9, 0.9, 0.9), fraction=0.5)
    (found,) = depth_probe_section.claims([part, half, whole])
    assert (found.id, found.verdict) == ("E12-middle", "holds")
    (turned,) = depth_probe_section.claims([half, whole])
    assert turned.verdict == "can't tell"
    measured = dict(found.measured)
    np.testing.assert_allclose(measured["middle third"].value, 0.45)
    np.testing.assert_allclose(measured["other layers"].value, (0.0 + 0.1 + 0.1 + 0.1) / 4)


def test_the_middle_layers_of_vit_and_resnet_are_compared_on_the_images_own_terms() -> None:
    for source, claimed in (("sample", "E12-resnet"), ("digits", "E12-transfer")):
        vit = model("ViT", by_depth(0.1, 0.7, 0.2), source=source)
        resnet = model("ResNet", by_depth(0.6, 0.5, 0.9), family="resnet", source=source)
        (found,) = depth_probe_section.claims([vit, resnet])
        assert found.id == claimed
        np.testing.assert_allclose(dict(found.measured)["difference"].value, 0.7 - 0.5)
