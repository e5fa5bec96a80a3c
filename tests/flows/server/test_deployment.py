"""Each deployment names a flow that is there, with parameters that the server accepts."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validate
from prefect.utilities.schema_tools.validation import ValidationError

from seelike.flows.compare import compare
from seelike.flows.server.deploy import ENVIRONMENT, TAGS
from seelike.flows.study.reading import read_study
from seelike.flows.study.study import Study
from seelike.storage.networks.zoo import members

HEARTBEATS = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"
ROOT = Path(__file__).parents[3]
DEPLOYMENTS = yaml.safe_load((ROOT / "deployment.yaml").read_text())["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_the_server_accepts_the_parameters_of_a_flow_that_is_there(
    deployment: dict[str, Any],
) -> None:
    module, _, name = deployment["entrypoint"].rpartition(".")
    flow = getattr(importlib.import_module(module), name)
    # By JSON schema, as the server does it before any of our code sees them.
    validate(
        deployment["parameters"],
        parameter_schema(flow).model_dump_for_openapi(),
        raise_on_error=True,
    )
    flow.validate_parameters(deployment["parameters"])


def study(name: str) -> Study:
    deployment = next(d for d in DEPLOYMENTS if d["name"] == name)
    found: Study = compare.validate_parameters(deployment["parameters"])["study"]
    return found


def test_a_deployment_is_the_study_that_it_names() -> None:
    assert study("nightly") == read_study(ROOT / "studies" / "demo.yaml")
    assert study("train") == read_study(ROOT / "studies" / "zoo.yaml")
    assert study("probe") == read_study(ROOT / "studies" / "probe.yaml")
    assert study("map") == read_study(ROOT / "studies" / "map.yaml")
    assert study("anatomy") == read_study(ROOT / "studies" / "anatomy.yaml")


def test_reproduce_is_its_study_weekly_and_of_every_shipped_network() -> None:
    asked = study("reproduce")
    assert asked == read_study(ROOT / "studies" / "reproduce.yaml")
    assert sorted(str(model.zoo) for model in asked.models) == members()
    (schedule,) = next(d for d in DEPLOYMENTS if d["name"] == "reproduce")["schedules"]
    *_, month, weekday = schedule["cron"].split()
    assert (month, weekday.isdecimal()) == ("*", True)


def test_the_zoo_wide_comparison_has_every_shipped_network() -> None:
    compared = {str(model.zoo) for model in study("zoo").models}
    assert compared == {model.name for model in study("train").models}
    assert compared >= set(members())


def test_every_run_is_found_when_it_falls_silent() -> None:
    (watch,) = yaml.safe_load((ROOT / "automations.yaml").read_text())["automations"]
    trigger = AutomationCore.model_validate(watch).trigger
    tag = watch["trigger"]["match_related"]["prefect.resource.id"].removeprefix("prefect.tag.")
    for deployment in DEPLOYMENTS:
        assert tag in deployment["tags"]
        environment = deployment["work_pool"]["job_variables"]["env"]
        assert 3 * int(environment[HEARTBEATS]) <= trigger.within.total_seconds()
        assert environment["DO_NOT_TRACK"] == "1"
    assert tag in TAGS
    assert environment[HEARTBEATS] == ENVIRONMENT[HEARTBEATS]


def test_every_field_of_the_form_is_explained() -> None:
    schema = Study.model_json_schema()
    parts = {"Study": schema, **schema["$defs"]}
    assert parts.keys() >= {"Study", "Images", "Model", "Compute", "Training", "Recipe"}
    silent = [
        f"{part}.{name}"
        for part, content in parts.items()
        for name, field in content["properties"].items()
        if not field.get("description")
    ]
    assert silent == []


def test_a_path_is_no_parameter_of_a_deployment() -> None:
    with pytest.raises(ValidationError, match="not of type 'object'"):
        validate(
            {"study": "studies/demo.yaml"},
            parameter_schema(compare).model_dump_for_openapi(),
            raise_on_error=True,
        )
