"""Views of a study for one flow are studies: validated, and equal but for the keys they change."""

from typing import Any

import pytest
from pydantic import ValidationError

from seelike.flows.study.study import Study

MODELS = [
    {"name": "ViT", "zoo": "vit", "taps": ["blocks.0"]},
    {"name": "chance", "timm": "resnet18", "seed": 0},
    {"name": "theirs", "imported": "vit"},
]


def study(**keys: Any) -> Study:
    return Study.model_validate({"models": MODELS} | keys)


def changed_keys(view: Study, of: Study) -> set[str]:
    before, after = of.model_dump(), view.model_dump()
    return {key for key in before if before[key] != after[key]}


def test_views_change_their_own_keys_alone() -> None:
    asked = study(reduction="cls", keep="activations", similarity=["rsa"], sweep=True)
    assert changed_keys(asked.at("s3://bucket/store"), asked) == {"store"}
    assert changed_keys(asked.for_anatomy(), asked) == {"reduction"}
    assert changed_keys(asked.for_reproduction(), asked) == {"reduction"}
    assert changed_keys(asked.for_map(), asked) == {"similarity", "sweep"}
    assert changed_keys(asked.for_probes(), asked) == {"reduction", "similarity", "sweep"}
    assert changed_keys(asked.within_blocks(), asked) == {"models", "taps", "similarity", "sweep"}


def test_keys_that_were_not_set_stay_unset() -> None:
    assert study().at("there").model_dump(exclude_unset=True).keys() == {"models", "store"}


def test_views_are_validated() -> None:
    with pytest.raises(ValidationError, match="unknown analysis 'atention'; nearest: 'attention'"):
        study().changed(anatomy=["atention"])
    with pytest.raises(ValidationError, match="procrustes needs activations"):
        study(similarity=["procrustes"]).changed(keep="signatures")


def test_probes_keep_activations_whatever_the_study_keeps() -> None:
    other = study().images.changed(source="digits")
    view = study(keep="signatures").for_probes(other)
    assert (view.keep, view.images.source) == ("activations", "digits")


def test_within_blocks_every_network_has_the_papers_layers() -> None:
    assert {one.patterns for one in study().within_blocks().networks()} == {("paper",)}


def test_untrained_baselines_of_trained_networks_come_last() -> None:
    networks = study().networks()
    assert [one.name for one in networks] == ["ViT", "chance", "theirs", "ViT untrained"]
    assert [one.baseline_of for one in networks] == ["", "", "", "ViT"]
    assert networks[0].patterns == networks[3].patterns == ("blocks.0",)
    assert [one.name for one in study(baseline=False).networks()] == ["ViT", "chance", "theirs"]
