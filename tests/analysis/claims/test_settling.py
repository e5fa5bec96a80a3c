"""Parts are played by what models are, and what a claim lacks is said with what would settle it."""

from typing import Any

import pytest

from seelike.analysis.claims import CLAIMS, claim
from seelike.analysis.claims.requirements import Available
from seelike.analysis.claims.roles import fractions, pooling, role_assignments
from seelike.analysis.claims.settling import unsettled


def facts(family: str, **more: Any) -> dict[str, Any]:
    origin = {key: more.pop(key) for key in ("fraction", "start") if key in more}
    return {"family": family, "trained": True, "pooling": "CLS", "origin": origin, **more}


MODELS = {
    "tenth": facts("vit", fraction=0.1),
    "gap": facts("vit", pooling="GAP"),
    "a": facts("vit", fraction=1.0),
    "net": facts("resnet", pooling="GAP"),
    "skipless": facts("vit", skip_free=4),
    "b": facts("vit"),
    "mix": facts("mixer", pooling="GAP"),
    "tuned": facts("vit", start="a"),
    "odd": facts("ConvNeXt"),
}


def test_families_are_cast_by_facts_in_the_studys_order() -> None:
    asked = Available(MODELS)
    assert role_assignments(asked) == [["a", "net", "mix"], ["b", "net", "mix"]]
    assert fractions(asked, "vit") == ["tenth"] and not fractions(asked, "resnet")
    assert pooling(asked) == ["gap"]
    assert role_assignments(Available({"odd": MODELS["odd"]})) == []


def test_a_study_with_everything_lacks_nothing() -> None:
    asked = Available(MODELS, labels=True, second=True)
    assert {need.name for one in CLAIMS for need in one.needs if not need.met(asked)} == set()


@pytest.mark.parametrize(
    ("id", "without", "lacking", "settled_by"),
    [
        ("E2-mixer", "mix", "an MLP-Mixer", "{zoo: mixer}"),
        ("E9-pooled", "gap", "average pooling", "{zoo: vit-gap}"),
        ("E11-lower", "tenth", "part of the data", "{zoo: vit-10-percent}"),
        ("E7-collapse", "skipless", "without the skips", "{zoo: vit-skip-free-4}"),
        ("E13-preserved", "tuned", "fine-tuned", "{zoo: vit-digits}"),
    ],
)
def test_what_is_lacking_is_named_with_what_would_settle_it(
    id: str, without: str, lacking: str, settled_by: str
) -> None:
    asked = Available({name: one for name, one in MODELS.items() if name != without}, labels=True)
    words = unsettled(claim(id), asked)
    assert lacking in words and settled_by in words
    assert "lacks" not in unsettled(claim(id), Available(MODELS, labels=True))


def test_one_model_and_images_without_labels() -> None:
    asked = Available({"a": MODELS["a"]})
    assert "lacks a ResNet and an MLP-Mixer" in unsettled(claim("E2-mixer"), asked)
    assert "lacks images with labels" in unsettled(claim("E10-token"), asked)
    assert role_assignments(asked) == [["a"]]
