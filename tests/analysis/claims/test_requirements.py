"""Roles are assigned by facts; a missing requirement is named with its remedy."""

from typing import Any

import pytest

from seelike.analysis.claims import CLAIMS, claim
from seelike.analysis.claims.requirements import AvailableModels, missing_requirements
from seelike.analysis.claims.roles import fractions, pooling, role_assignments


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
    asked = AvailableModels(MODELS)
    assert role_assignments(asked) == [["a", "net", "mix"], ["b", "net", "mix"]]
    assert fractions(asked, "vit") == ["tenth"] and not fractions(asked, "resnet")
    assert pooling(asked) == ["gap"]
    assert role_assignments(AvailableModels({"odd": MODELS["odd"]})) == []


def test_a_study_with_everything_lacks_nothing() -> None:
    asked = AvailableModels(MODELS, labels=True, second=True)
    assert {
        need.name for one in CLAIMS for need in one.requirements if not need.met(asked)
    } == set()


@pytest.mark.parametrize(
    ("id", "without", "lacking", "remedy"),
    [
        ("E2-mixer", "mix", "an MLP-Mixer", "{zoo: mixer}"),
        ("E9-pooled", "gap", "average pooling", "{zoo: vit-gap}"),
        ("E11-lower", "tenth", "part of the data", "{zoo: vit-10-percent}"),
        ("E7-collapse", "skipless", "without the skips", "{zoo: vit-skip-free-4}"),
        ("E13-preserved", "tuned", "fine-tuned", "{zoo: vit-digits}"),
    ],
)
def test_a_missing_requirement_is_named_with_its_remedy(
    id: str, without: str, lacking: str, remedy: str
) -> None:
    asked = AvailableModels(
        {name: one for name, one in MODELS.items() if name != without}, labels=True
    )
    needed = claim(id).requirements
    words = missing_requirements(needed, asked)
    assert lacking in words and remedy in words
    assert "lacks" not in missing_requirements(
        claim(id).requirements, AvailableModels(MODELS, labels=True)
    )


def test_one_model_and_images_without_labels() -> None:
    asked = AvailableModels({"a": MODELS["a"]})
    assert "lacks a ResNet and an MLP-Mixer" in missing_requirements(
        claim("E2-mixer").requirements, asked
    )
    assert "lacks images with labels" in missing_requirements(
        claim("E10-token").requirements, asked
    )
    assert role_assignments(asked) == [["a"]]
