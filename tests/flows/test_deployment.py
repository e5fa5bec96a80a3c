"""Each deployment names a flow that is there, with parameters that the server accepts."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validate
from prefect.utilities.schema_tools.validation import ValidationError

from flows.compare import compare
from flows.reading import read_study

ROOT = Path(__file__).parent.parent.parent
DEPLOYMENTS = yaml.safe_load((ROOT / "deployment.yaml").read_text())["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_the_server_accepts_the_parameters_of_a_flow_that_is_there(
    deployment: dict[str, Any],
) -> None:
    path, name = deployment["entrypoint"].split(":")
    flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
    # By JSON schema, as the server does it before any of our code sees them.
    validate(
        deployment["parameters"],
        parameter_schema(flow).model_dump_for_openapi(),
        raise_on_error=True,
    )
    flow.validate_parameters(deployment["parameters"])


def test_the_nightly_study_is_the_demo() -> None:
    nightly = next(d for d in DEPLOYMENTS if d["name"] == "nightly")
    found = compare.validate_parameters(nightly["parameters"])["study"]
    assert found == read_study(ROOT / "studies" / "demo.yaml")


def test_a_path_is_no_parameter_of_a_deployment() -> None:
    with pytest.raises(ValidationError, match="not of type 'object'"):
        validate(
            {"study": "studies/demo.yaml"},
            parameter_schema(compare).model_dump_for_openapi(),
            raise_on_error=True,
        )
