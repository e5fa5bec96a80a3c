"""A pattern stands for the networks that timm, or the zoo, has of that name."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validate

from seelike.analysis.networks.loading.building import (
    timm,  # Where what timm imports was made ready.
)
from seelike.flows.cli.main import main
from seelike.flows.compare import compare
from seelike.flows.study.reading import read_study
from seelike.flows.study.study import Study
from seelike.storage.networks.zoo import members


def names(*models: dict[str, Any]) -> list[str]:
    return [model.name for model in Study.model_validate({"models": list(models)}).models]


def test_a_pattern_means_what_timm_lists_in_its_order() -> None:
    pattern = "vit_*_patch16_224*"
    found = names({"timm": pattern, "pretrained": True})
    assert found == timm.list_models(pattern, pretrained=True)
    assert len(found) > 10 and all("." in name for name in found)
    assert names({"timm": pattern, "limit": 3}) == timm.list_models(pattern)[:3]


def test_exclusions_and_single_models_stand_in_the_study_s_order() -> None:
    models = Study.model_validate(
        {
            "models": [
                {"name": "first", "zoo": "vit"},
                {
                    "timm": "resnet1*",
                    "exclude": ["*d", "*t"],
                    "name": "{name} new",
                    "seed": 3,
                },
                {"zoo": "vit*", "exclude": ["*-seed1"]},
            ],
            "baseline": False,
        }
    ).models
    untrained = [name for name in timm.list_models("resnet1*") if name[-1] not in "dt"]
    zoo = [one for one in members() if fnmatchcase(one, "vit*") and one != "vit-seed1"]
    zoo = [one for one in zoo if not one.endswith("-seed1")]
    assert [m.name for m in models] == ["first", *(f"{n} new" for n in untrained), *zoo]
    assert {m.seed for m in models[1 : 1 + len(untrained)]} == {3}


def test_what_a_pattern_is_given_its_models_get() -> None:
    entry = {"timm": "resnet18", "seed": 0, "arguments": {"num_classes": 3}, "taps": "paper"}
    several = {**entry, "timm": "resnet18*", "limit": 1}
    (model,) = Study.model_validate({"models": [several]}).models
    (alone,) = Study.model_validate({"models": [{**entry, "name": "resnet18"}]}).models
    assert model == alone and model.seed == 0


WRONG = [
    ({"timm": "vit_*"}, "matches 2", "set limit: N"),
    ({"timm": "vit_smal_pach16_*"}, "matches no network of timm; nearest: 'vit_small", ""),
    ({"timm": "resnet1*", "exclude": ["vit*"]}, "exclude 'vit*' leaves out none of the", ""),
    ({"timm": "resnet18*", "exclude": ["resnet*"]}, "leaves nothing of what 'resnet18*'", ""),
    ({"timm": "resnet1*", "limt": 3}, "limt: Extra inputs are not permitted; a pattern takes", ""),
    ({"zoo": "resnet*", "exclude": ["vit*"]}, "exclude 'vit*' leaves out none of resnet", ""),
    ({"zoo": "rasnet*"}, "leaves no network of the zoo; nearest: 'resnet'", ""),
    ({"timm": "resnet1*", "name": "one"}, "name 'one' of several networks lacks {name}", ""),
    ({"timm": "resnet1*", "zoo": "vit"}, "exactly one of timm and zoo", ""),
]


@pytest.mark.parametrize(("entry", "said", "remedy"), WRONG, ids=lambda x: str(x)[:20])
def test_mistakes_are_told_in_one_line_before_anything_is_made(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    entry: dict[str, Any],
    said: str,
    remedy: str,
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump({"models": [entry], "store": str(tmp_path / "store")}))
    for verb in ("plan", "compare"):
        assert main([verb, str(file)]) == 2
        line = capsys.readouterr().err
        assert said in line and remedy in line and line.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_two_patterns_of_one_network_are_told_apart_by_their_names(tmp_path: Path) -> None:
    entry = {"timm": "resnet18*", "seed": 0}
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump({"models": [entry, {**entry, "seed": 1}]}))
    with pytest.raises(ValueError, match="two models are named 'resnet18'"):
        read_study(file)
    assert len(names(entry, {**entry, "seed": 1, "name": "{name} again"})) == 4


def test_the_server_takes_patterns() -> None:
    parameters = {"study": {"models": [{"timm": "resnet1*", "limit": 2}, {"zoo": "vit*"}]}}
    validate(parameters, parameter_schema(compare).model_dump_for_openapi(), raise_on_error=True)
    study = compare.validate_parameters(parameters)["study"]
    assert [model.name for model in study.models][:2] == timm.list_models("resnet1*")[:2]
